"""Every setting, read once; the only reader of the environment and of `muster.toml`.

The first of these that names a setting decides: a flag, `MUSTER_<NAME>` in the
environment, `muster.toml`, the default. The file is the one that `MUSTER_CONFIG`
names, else `./muster.toml`, else `muster.toml` in the home:

    port = 5001
    allowed_hosts = ["registry.example.com"]

Amounts of bytes may be written with a unit: `"64 MiB"`. What nobody asked for is
refused, so that a misspelt setting is not one that silently does nothing.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_type_hints

from muster.domain.errors import NOTHING, Invalid, Problem, shown
from muster.domain.names import actor_id
from muster.settings import rules
from muster.settings.rules import MIB

PREFIX: Final = "MUSTER_"
DEFAULT_HOME: Final = Path("registry")

Source = Literal["flag", "environment", "file", "default"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: the kind of source, and its name as a person would look for it."""

    source: Source
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class About:
    """What a setting means, with its unit, and how what is written becomes its value."""

    text: str
    parse: Callable[[object], Any]


# ------------------------------------------------------------ the settings


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process was told; `load` makes it. Business code gets values, never this object."""

    home: Annotated[Path, About("The registry's folder", rules.folder)] = DEFAULT_HOME
    url: Annotated[
        str | None,
        About("The server that the CLI and the client talk to; without one, the home", rules.address),
    ] = None
    actor: Annotated[str, About("Who you are, as the history will say it, unverified", rules.actor)] = (
        "anonymous"
    )
    token: Annotated[
        str | None, About("The token that proves who you are, for the CLI and embedded use", rules.secret)
    ] = None
    host: Annotated[
        str,
        About("The address that the server listens on; any but loopback has access controlled", rules.host),
    ] = "127.0.0.1"
    access: Annotated[
        bool, About("Whether access is controlled from the first start on", rules.yes_or_no)
    ] = False
    oidc_issuer: Annotated[
        str | None, About("The address of the log-in service (OpenID Connect)", rules.address)
    ] = None
    oidc_client_id: Annotated[
        str, About("What this server is called at the log-in service", rules.optional)
    ] = "muster"
    oidc_client_secret: Annotated[
        str, About("Where its secret there is: `env:NAME` or `file:PATH`", rules.reference)
    ] = ""
    oidc_account: Annotated[str, About("The claim that says which account somebody gets", rules.text)] = (
        "preferred_username"
    )
    oidc_groups: Annotated[
        str, About("The claim that lists somebody's groups; a team's `claims` name some", rules.text)
    ] = "groups"
    oidc_makes_accounts: Annotated[
        bool, About("Whether the first log-in makes an account", rules.yes_or_no)
    ] = True
    oidc_audience: Annotated[str, About("For whom a CI system's tokens must be meant", rules.text)] = "muster"
    tls_cert: Annotated[
        Path | None, About("The file of the server's certificate chain (PEM), for https", rules.file)
    ] = None
    tls_key: Annotated[Path | None, About("The file of its private key (PEM)", rules.file)] = None
    trusted_proxies: Annotated[
        tuple[str, ...],
        About("Addresses of proxies whose X-Forwarded headers are believed", rules.hosts),
    ] = ()
    port: Annotated[
        int, About("The TCP port that the server listens on; 0 takes a free one", rules.whole(0, 65_535))
    ] = 5000
    allowed_hosts: Annotated[
        tuple[str, ...],
        About("Names of this server in `Host` headers, beside its own address (behind a proxy)", rules.hosts),
    ] = ()
    webhook_hosts: Annotated[
        tuple[str, ...],
        About("Hosts that webhooks may reach though they are private, and without TLS", rules.hosts),
    ] = ()
    webhook_timeout_s: Annotated[
        float,
        About("Seconds that a webhook's receiver gets for each step of an answer", rules.seconds(0.1, 300)),
    ] = 15.0
    webhook_pauses_s: Annotated[
        tuple[float, ...],
        About(
            "Seconds before each repeat of a delivery that failed; after the last it is tried by hand only",
            rules.pauses,
        ),
    ] = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
    webhook_disable_s: Annotated[
        float,
        About(
            "Seconds without any delivery after which a failing webhook is disabled", rules.seconds(1, 1e8)
        ),
    ] = 432_000.0
    log_format: Annotated[
        str,
        About(
            "`console` for people, `json` for programs, `auto` by what the output is",
            rules.one_of("auto", "console", "json"),
        ),
    ] = "auto"
    log_level: Annotated[
        str, About("The least that is logged", rules.one_of("debug", "info", "warning", "error"))
    ] = "info"
    start_timeout_s: Annotated[
        float,
        About("Seconds that a version gets to become ready before it is refused", rules.seconds(0.1, 3600)),
    ] = 60.0
    venv: Annotated[
        str,
        About(
            "Where a model that MLflow wrote runs: `own`, a virtual environment of its requirements; "
            "`server`, the server's environment, which must hold MLflow and what the model needs",
            rules.one_of("own", "server"),
        ),
    ] = "own"
    venv_timeout_s: Annotated[
        float, About("Seconds that building such an environment may take", rules.seconds(1, 86_400))
    ] = 900.0
    venv_keep_days: Annotated[
        int, About("Days after which an environment that no worker used is removed", rules.whole(1, 36_500))
    ] = 30
    drain_timeout_s: Annotated[
        float, About("Seconds that a replaced version gets to finish its requests", rules.seconds(0, 3600))
    ] = 30.0
    hold_timeout_s: Annotated[
        float, About("Seconds that a request waits for a worker to be ready", rules.seconds(0, 3600))
    ] = 30.0
    report_ttl_s: Annotated[
        float,
        About(
            "Seconds after which a report is no longer believed unless it is repeated",
            rules.seconds(1, 86_400),
        ),
    ] = 300.0
    standby: Annotated[
        bool, About("Whether the version that a rollback would return to is kept ready", rules.yes_or_no)
    ] = True
    max_body_bytes: Annotated[int, About("Bytes of a JSON request at most", rules.size(MIB))] = MIB
    serve_max_body_bytes: Annotated[int, About("Bytes of an inference request at most", rules.size(1024))] = (
        64 * MIB
    )
    reserve_bytes: Annotated[
        int, About("Bytes of disk kept back, so that a rollback works on a full disk", rules.size(0))
    ] = 64 * MIB
    min_free_bytes: Annotated[
        int, About("Bytes of disk that must stay free, or no more files are taken", rules.size(0))
    ] = 256 * MIB
    repack_every: Annotated[
        int, About("About how many packs there may be before they are put together", rules.whole(2, 100_000))
    ] = 256
    checkpoints: Annotated[
        str,
        About("The file of signed checkpoints; without one, `checkpoints.jsonl` in the home", rules.optional),
    ] = ""
    checkpoint_every_s: Annotated[
        float,
        About(
            "Seconds between signed checkpoints, while the history goes on; 0 for none that nobody asked for",
            rules.seconds(0, 366 * 86_400),
        ),
    ] = 3600.0
    checkpoint_copies: Annotated[
        tuple[str, ...],
        About(
            "Where the checkpoints are brought, too: files, or Git remotes (to the branch `checkpoints`)",
            rules.places,
        ),
    ] = ()
    mirror_url: Annotated[
        str,
        About("A Git remote that has the history, too: every change is pushed there", rules.remote),
    ] = ""
    mirror_user: Annotated[
        str,
        About("The user that an HTTP mirror is told with the password; without one, `git`", rules.optional),
    ] = ""
    mirror_password: Annotated[
        str,
        About(
            "Where the password or token for an HTTP mirror is: `env:NAME` or `file:PATH`", rules.reference
        ),
    ] = ""
    crash_at: Annotated[
        str,
        About("For tests only: the named point, or `point:count`, at which the process dies", rules.optional),
    ] = ""

    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False, repr=False)
    """Where each value came from, by the setting's name."""
    surroundings: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """The process's environment, for what passes it on: workers, and secrets by reference."""


def described() -> dict[str, About]:
    """What each setting means, in the order in which they are shown."""
    hints = get_type_hints(Settings, include_extras=True)
    return {name: hints[name].__metadata__[0] for name in _NAMES}


_NAMES: Final = tuple(f.name for f in fields(Settings) if f.name not in ("origins", "surroundings"))


def variable(name: str) -> str:
    """The environment variable that sets the setting `name`."""
    return f"{PREFIX}{name.upper()}"


# ------------------------------------------------------------ reading

_FLAGS: Final = {
    "home": "--home",
    "url": "--server",
    "actor": "--actor",
    "host": "--host",
    "port": "--port",
    "log_format": "--log-format",
    "log_level": "--log-level",
}


def load(
    flags: Mapping[str, object] | None = None, *, environment: Mapping[str, str] | None = None
) -> Settings:
    """The settings of this process. `flags` that are None were not given.

    Raises:
        Invalid: every unknown setting and bad value, each with where it was set.
    """
    surroundings = dict(os.environ if environment is None else environment)
    reading = _Reading()
    reading.take("flag", lambda name: _FLAGS.get(name, f"--set {name}"), flags or {})
    reading.take("environment", variable, _from_environment(surroundings))
    file = _file(surroundings, reading)
    if file is not None:
        where = str(file)
        reading.take("file", lambda name: f"{name} in {where}", _from_file(file))
    if "actor" not in reading.values:
        reading.values["actor"] = operating_system_user()
        reading.origins["actor"] = Origin("default", "the operating system's user")
    if reading.problems:
        raise Invalid(reading.problems)
    for name in _NAMES:
        reading.origins.setdefault(name, Origin("default", "default"))
    if (reading.values.get("tls_cert") is None) != (reading.values.get("tls_key") is None):
        raise Invalid([Problem("tls_key", NOTHING, "goes with tls_cert: https takes both")])
    return Settings(**reading.values, origins=reading.origins, surroundings=surroundings)


class _Reading:
    """What was found so far. The closest source comes first; a later one does not change what is there."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[str, Origin] = {}
        self.problems: list[Problem] = []
        self._about = described()

    def take(self, source: Source, where: Callable[[str], str], given: Mapping[str, object]) -> None:
        """Take what `source` says; a bad value is a problem even where a closer source decides."""
        for name, value in given.items():
            if value is None:
                continue
            if name not in self._about:
                self._wrong(where(name), value, f"is not a setting{_nearest(name)}")
                continue
            try:
                parsed = self._about[name].parse(value)
            except rules.SecretRefused as refused:
                self.problems.append(Problem(where(name), NOTHING, str(refused)))
                continue
            except rules.Refused as refused:
                self._wrong(where(name), value, str(refused))
                continue
            if name not in self.values:
                self.values[name] = parsed
                self.origins[name] = Origin(source, where(name))

    def _wrong(self, where: str, value: object, rule: str) -> None:
        self.problems.append(Problem(where, shown(value), rule))


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name, _NAMES, n=1)
    return f"; perhaps {close[0]}" if close else "; `muster settings` shows them all"


# For a service named `muster`, Kubernetes puts these into every container's environment.
_KUBERNETES: Final = re.compile(r"MUSTER_(SERVICE_(HOST|PORT.*)|PORT_.*)")
_OTHERS: Final = re.compile(r"MUSTER_(CONFIG|TORTURE|TEST_.*)")


def _from_environment(surroundings: Mapping[str, str]) -> dict[str, str]:
    """The settings in it; a variable that is set to nothing is not set."""
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in surroundings.items()
        if name.startswith(PREFIX)
        and value
        and not _OTHERS.fullmatch(name)
        and not _KUBERNETES.fullmatch(name)
        and not (name == "MUSTER_PORT" and value.startswith("tcp://"))
    }


def _file(surroundings: Mapping[str, str], reading: _Reading) -> Path | None:
    """The file to read, if there is one."""
    if named := surroundings.get("MUSTER_CONFIG"):
        return Path(named).expanduser()
    here = Path("muster.toml")
    if here.is_file():
        return here
    home = reading.values.get("home", DEFAULT_HOME)
    return home / "muster.toml" if (home / "muster.toml").is_file() else None


def _from_file(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except OSError as error:
        raise Invalid.one("MUSTER_CONFIG", str(path), f"must be a file ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid.one(str(path), "its content", f"must be TOML: {error}") from error
    return found


def operating_system_user() -> str:
    """Who runs this process, as an actor's id; `uid-<number>` if the system has no usable name."""
    if not hasattr(os, "getuid"):
        return "anonymous"
    import pwd

    try:
        return actor_id(pwd.getpwuid(os.getuid()).pw_name)
    except (KeyError, Invalid):
        return f"uid-{os.getuid()}"
