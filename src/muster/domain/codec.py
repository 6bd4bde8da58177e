"""Records ↔ the files in the repository: JSON, sorted keys, two spaces, one value a line.

What is absent or empty is left out, so that a diff shows just what changed. Later
releases read every earlier format; `muster.json` says which one a repository has.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from muster.domain.records import (
    Config,
    Deployment,
    Earlier,
    Environment,
    Fields,
    Json,
    Model,
    Version,
)
from muster.domain.rules import rules_from_dict, rules_to_dict

FORMAT = 1


def encode(record: Mapping[str, Json]) -> bytes:
    """The file's bytes for `record`, with a newline at the end."""
    text = json.dumps(record, ensure_ascii=False, sort_keys=True, indent=2, allow_nan=False)
    return text.encode() + b"\n"


def decode(data: bytes) -> dict[str, Json]:
    """The reverse of `encode`."""
    record: dict[str, Json] = json.loads(data)
    return record


def canonical(value: Json) -> bytes:
    """One line of JSON that is the same for equal values: for digests and comparisons."""
    return json.dumps(
        value,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    ).encode()


def _without_empty(record: dict[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in record.items() if value not in (None, "", (), [], {}, False)}


def model_to_dict(model: Model) -> dict[str, Json]:
    """The content of `model.json`."""
    return _without_empty(
        {
            "name": model.name,
            "next_number": model.next_number,
            "owner": model.owner,
            "description": model.description,
            "tags": dict(model.tags),
            "aliases": dict(model.aliases),
            "card": model.card,
            "deleted": model.deleted,
            "imported": model.imported and dict(model.imported),
        }
    )


def model_from_dict(record: Fields) -> Model:
    """The reverse of `model_to_dict`."""
    return Model(
        name=record["name"],
        next_number=record["next_number"],
        owner=record.get("owner"),
        description=record.get("description", ""),
        tags=record.get("tags", {}),
        aliases=record.get("aliases", {}),
        card=record.get("card", ""),
        deleted=record.get("deleted", False),
        imported=record.get("imported"),
    )


def version_to_dict(version: Version) -> dict[str, Json]:
    """The content of `version.json`; the files are beside it, as pointers."""
    data = version.training_data
    return {
        "model": version.model,
        "number": version.number,
        "id": version.model_id,
        "state": version.state,
        "kind": version.kind,
        "stage": version.stage,
        **_without_empty(
            {
                "label": version.label,
                "description": version.description,
                "owner": version.owner,
                "tags": dict(version.tags),
                "metrics": dict(version.metrics),
                "params": dict(version.params),
                "source": version.source and dict(version.source),
                "bases": [dict(base) for base in version.bases],
                "external": version.external and dict(version.external),
                "signature": version.signature and dict(version.signature),
                "purged": version.purged,
                "files_attached": version.files_attached,
                "imported": version.imported and dict(version.imported),
                "registered": version.registered,
            }
        ),
        # An empty text was said; only None was not.
        **({} if data is None else {"training_data": data if isinstance(data, str) else dict(data)}),
    }


def version_from_dict(record: Fields) -> Version:
    """The reverse of `version_to_dict`; `files` is left empty."""
    return Version(
        model=record["model"],
        number=record["number"],
        label=record.get("label"),
        model_id=record["id"],
        state=record["state"],
        kind=record["kind"],
        description=record.get("description", ""),
        stage=record["stage"],
        owner=record.get("owner"),
        tags=record.get("tags", {}),
        metrics=record.get("metrics", {}),
        params=record.get("params", {}),
        training_data=record.get("training_data"),
        source=record.get("source"),
        bases=tuple(record.get("bases", ())),
        external=record.get("external"),
        signature=record.get("signature"),
        purged=record.get("purged", False),
        files_attached=record.get("files_attached", False),
        imported=record.get("imported"),
        registered=record.get("registered", ""),
    )


def config_to_dict(config: Config) -> dict[str, Json]:
    """A configuration as the API and the repository show it: always whole."""
    return {
        "replicas": config.replicas,
        "threads": config.threads,
        "timeout_s": config.timeout_s,
        "env": dict(config.env),
        "runtime": config.runtime,
    }


def config_from_dict(record: Fields) -> Config:
    """The reverse of `config_to_dict`."""
    return Config(
        replicas=record["replicas"],
        threads=record["threads"],
        timeout_s=record["timeout_s"],
        env=record["env"],
        runtime=record["runtime"],
    )


def deployment_to_dict(deployment: Deployment) -> dict[str, Json]:
    """The content of `deployments/<environment>/<hh>/<name>.json`."""
    return {
        "environment": deployment.environment,
        "model": deployment.model,
        "version": deployment.version,
        "config": config_to_dict(deployment.config),
        "recorded": deployment.recorded,
        "earlier": [{"version": e.version, "config": config_to_dict(e.config)} for e in deployment.earlier],
    }


def deployment_from_dict(record: Fields) -> Deployment:
    """The reverse of `deployment_to_dict`."""
    return Deployment(
        environment=record["environment"],
        model=record["model"],
        version=record["version"],
        config=config_from_dict(record["config"]),
        recorded=record["recorded"],
        earlier=tuple(Earlier(e["version"], config_from_dict(e["config"])) for e in record["earlier"]),
    )


def environment_to_dict(environment: Environment) -> dict[str, Json]:
    """The content of `environments/<name>.json`: always whole but for rules that it has not."""
    rules = rules_to_dict(environment.rules)
    return {
        "name": environment.name,
        "target": environment.target,
        "rank": environment.rank,
        "stage": environment.stage,
        "description": environment.description,
        "allow_pickle": environment.allow_pickle,
        **({"rules": rules} if rules else {}),
    }


def environment_from_dict(record: Fields) -> Environment:
    """The reverse of `environment_to_dict`."""
    return Environment(
        name=record["name"],
        target=record["target"],
        rank=record["rank"],
        stage=record["stage"],
        description=record["description"],
        allow_pickle=record["allow_pickle"],
        rules=rules_from_dict(record.get("rules", {})),
    )


def is_number(value: Json) -> bool:
    """Whether `value` is a finite JSON number (and not a boolean)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
