"""What runs where: declare it, follow it, roll it back, report it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from muster.client.calls import given, path
from muster.client.problems import rebuilt
from muster.client.tables import Board, Record
from muster.client.versions import Versions
from muster.domain.errors import NotFound, OutcomeUnknown

FIRST_POLL_S: Final = 0.01
LAST_POLL_S: Final = 0.5

Steps = Callable[[Mapping[str, Any]], None]


class Deployments(Versions):
    """Environments and what is deployed in them."""

    # ------------------------------------------------------------ as ModelRegistry

    def deploy(
        self,
        model_id: str,
        environment: str = "production",
        config: Mapping[str, Any] | None = None,
        reason: str = "",
        *,
        break_glass: bool = False,
        dry_run: bool = False,
        on_step: Steps | None = None,
    ) -> Record:
        """Put a version into service and give its record; blocks until it is ready.

        `model_id` may be any reference. `on_step` is told each step of it. `break_glass` is
        for who has that role: it goes without the approvals that it needs, marked for ever.

        Raises:
            ApprovalNeeded: others have to approve it first; it names the proposal.
            DidNotStart: it did not become ready; what was deployed goes on serving.
            UnderWay: another deployment of the model is running there.
        """
        version = self.version(model_id)
        body = {"version": str(version["number"])} | given(config=config, reason=reason)
        where = _at(environment, version["name"])
        begun = self.calls.write("PUT", where, body, dry_run=dry_run, break_glass=_broken(break_glass))
        if dry_run:
            return begun
        self.followed(begun, on_step)
        return self.version(version["model_id"])

    def rollback(
        self,
        model_id: str,
        environment: str = "production",
        *,
        to: str | None = None,
        empty: bool = False,
        reason: str = "",
        dry_run: bool = False,
        on_step: Steps | None = None,
    ) -> Record:
        """Return to the version deployed before (or to `to`) and give the record of the one rolled back.

        Raises:
            NotDeployedThere: that version is not what is deployed there.
            NothingToRestore: nothing was deployed before; `empty` says that this is meant.
        """
        version = self.version(model_id)
        begun = self.begin_rollback(
            version["name"],
            environment,
            version=str(version["number"]),
            to=str(self.version(to)["number"]) if to is not None else None,
            empty=empty,
            reason=reason,
            dry_run=dry_run,
        )
        if dry_run:
            return begun
        self.followed(begun, on_step)
        return self.version(version["model_id"])

    def at(self, moment: str) -> Board:
        """What was deployed at a time (RFC 3339) or commit."""
        return self.deployments(at=moment)

    # ------------------------------------------------------------ deployments

    def begin_rollback(
        self,
        model: str,
        environment: str,
        *,
        version: str | None = None,
        to: str | None = None,
        empty: bool = False,
        reason: str = "",
        break_glass: bool = False,
        dry_run: bool = False,
    ) -> Record:
        """Begin to go back; gives the operation. With `version` only if that is what is deployed."""
        body: dict[str, Any] = given(version=version, to=to, reason=reason)
        if empty:
            body["empty"] = True
        where = f"{_at(environment, model)}/rollback"
        return self.calls.write("POST", where, body, dry_run=dry_run, break_glass=_broken(break_glass))

    def undeploy(
        self,
        model: str,
        environment: str,
        *,
        reason: str = "",
        break_glass: bool = False,
        dry_run: bool = False,
        on_step: Steps | None = None,
    ) -> Record:
        """Have nothing of the model run in the environment; gives the operation that did it."""
        begun = self.calls.write(
            "DELETE",
            _at(environment, model),
            reason=reason,
            dry_run=dry_run,
            break_glass=_broken(break_glass),
        )
        return begun if dry_run else self.followed(begun, on_step)

    def deployments(
        self,
        *,
        environment: str | None = None,
        model: str | None = None,
        at: str | None = None,
        limit: int | None = None,
    ) -> Board:
        """What is deployed, or was at a time or commit, with who declared it, when and why."""
        return self.calls.board(path("deployments"), limit, environment=environment, model=model, at=at)

    def deployment(self, environment: str, model: str, *, at: str | None = None) -> Record:
        """Declared and observed of one model in one environment."""
        return self.calls.record(_at(environment, model), at=at)

    def operation(self, operation_id: str) -> Record:
        """A deployment, rollback or undeployment under way, or one of the last that ended."""
        return self.calls.record(path("operations", operation_id))

    def followed(self, begun: Mapping[str, Any], on_step: Steps | None = None) -> Record:
        """The operation once it has ended; raises what made it fail.

        Raises:
            OutcomeUnknown: the server was restarted meanwhile; the history says what happened.
        """
        seen, pause_s, now = 0, FIRST_POLL_S, Record(begun)
        while True:
            for event in now["events"][seen:]:
                if on_step is not None:
                    on_step(event)
            seen = len(now["events"])
            if now["ended"]:
                break
            time.sleep(pause_s)
            pause_s = min(LAST_POLL_S, pause_s * 1.5)
            try:
                now = self.operation(now["id"])
            except NotFound as lost:
                raise OutcomeUnknown(
                    f"the server was restarted during the {now['kind']} of {now['model']}; "
                    "the history says whether it was recorded"
                ) from lost
        if error := now.get("error"):
            raise rebuilt(error["code"], error["message"], error)
        if now["state"] == "failed":
            raise OutcomeUnknown(f"the {now['kind']} of {now['model']} failed inside the server: see its log")
        return now

    # ------------------------------------------------------------ what runs elsewhere

    def desired(
        self, environment: str, model: str, *, etag: str | None = None, wait_s: float | None = None
    ) -> Record | None:
        """What is to run there. With the `etag` of the last answer, None if it is still the same.

        With `wait_s` too (up to 60) that answer comes only after that time without a change.
        """
        response = self.calls.get(
            f"{_at(environment, model)}/desired",
            given(wait_s=wait_s),
            {"If-None-Match": etag} if etag is not None else {},
            more_s=wait_s or 0,
        )
        if response.status_code == 304:
            return None
        found = Record(response.json())
        found.etag = response.headers.get("etag")
        return found

    def report(
        self,
        environment: str,
        model: str,
        *,
        version: str | None = None,
        sha256: str | None = None,
        instance: str | None = None,
        stopped: bool = False,
        reason: str = "",
        dry_run: bool = False,
    ) -> Record:
        """Say what runs there, by version or by a file's digest; gives how that stands to the declared.

        With `stopped` say that the instance is gone: nothing is expected of it any more.
        """
        gone = stopped or None
        body = given(version=version, sha256=sha256, instance=instance, stopped=gone, reason=reason)
        return self.calls.write("PUT", f"{_at(environment, model)}/observed", body, dry_run=dry_run)

    def predict(self, model: str, request: Mapping[str, Any], environment: str = "production") -> Record:
        """Ask the version that is deployed there.

        A request of the Open Inference Protocol (`inputs` is a list of tensors) goes
        to `/v2/…/infer`, any other to `/invocations`.
        """
        from urllib.parse import quote

        where = f"/serve/{quote(environment, safe='')}/{quote(model, safe='')}"
        if is_v2(request):
            where += f"/v2/models/{quote(model, safe='')}/infer"
        else:
            where += "/invocations"
        return self.calls.write("POST", where, request)

    # ------------------------------------------------------------ environments

    def environments(self, *, limit: int | None = None) -> Board:
        """The environments, the highest rank first."""
        return self.calls.board(path("environments"), limit)

    def environment(self, name: str) -> Record:
        """An environment and its rules."""
        return self.calls.record(path("environments", name))

    def create_environment(
        self, name: str, fields: Mapping[str, Any] | None = None, *, reason: str = "", dry_run: bool = False
    ) -> Record:
        """Make an environment; `fields` are `target`, `rank`, `stage`, `description`, `allow_pickle`."""
        body = {"name": name} | dict(fields or {}) | given(reason=reason)
        return self.calls.write("POST", path("environments"), body, dry_run=dry_run)

    def update_environment(
        self,
        name: str,
        fields: Mapping[str, Any],
        *,
        reason: str = "",
        if_match: str | None = None,
        dry_run: bool = False,
    ) -> Record:
        """Change what an environment is."""
        body = dict(fields) | given(reason=reason)
        return self.calls.write("PATCH", path("environments", name), body, if_match=if_match, dry_run=dry_run)

    def protect_environment(
        self,
        name: str,
        rules: Mapping[str, Any],
        *,
        reason: str = "",
        if_match: str | None = None,
        dry_run: bool = False,
    ) -> Record:
        """Give an environment rules. Those that are not named stay, and None takes one away.

        They are `deploy`, `rollback`, `approvals`, `evidence`, `reason`, `soak`, `freeze`,
        `stages`, `aliases` and `public`, as they are in its record.
        """
        fields = {"rules": dict(rules)}
        return self.update_environment(name, fields, reason=reason, if_match=if_match, dry_run=dry_run)

    def unprotect_environment(
        self, name: str, *, reason: str = "", if_match: str | None = None, dry_run: bool = False
    ) -> Record:
        """Take all rules away from an environment."""
        fields = {"rules": None}
        return self.update_environment(name, fields, reason=reason, if_match=if_match, dry_run=dry_run)

    def delete_environment(
        self, name: str, *, reason: str = "", if_match: str | None = None, dry_run: bool = False
    ) -> Record:
        """Delete an environment in which nothing is deployed."""
        return self.calls.write(
            "DELETE", path("environments", name), reason=reason, if_match=if_match, dry_run=dry_run
        )


def is_v2(request: Mapping[str, Any]) -> bool:
    """Whether it is a request of the Open Inference Protocol."""
    inputs = request.get("inputs")
    return (
        isinstance(inputs, list)
        and bool(inputs)
        and all(isinstance(t, Mapping) and "datatype" in t for t in inputs)
    )


def _at(environment: str, model: str) -> str:
    return path("deployments", environment, model)


def _broken(break_glass: bool) -> str | None:
    """The parameter that says that the glass is broken; None to leave it out."""
    return "true" if break_glass else None
