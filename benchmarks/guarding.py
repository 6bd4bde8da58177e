"""What access control and policies cost: the server's CPU of a read and of a write, with and without."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks import load, populate, servers
from benchmarks.figures import Figure
from muster.client import Client

ROUNDS: Final = 5
SECONDS: Final = 3.0
SOME: Final = 1_000
POLICIES: Final = {
    "named": "size(version.name) > 0",
    "described": "version.description != ''",
    "measured": "has(version.metrics.auc) && version.metrics.auc > 0.5",
    "trained": "has(version.training_data)",
    "owned": "change.kind != 'deploy' || actor.id != 'nobody'",
}


def figures(folder: Path, _: int = 0) -> list[Figure]:
    """A point read and a registration: a server without access control, one with it and five policies."""
    plain, guarded = folder / "plain", folder / "guarded"
    for home in (plain, guarded):
        populate.versions(home, SOME)
    with servers.muster(plain) as without, servers.muster(guarded) as having:
        token = _guarded(having.url)
        reads = [f"/models/model-{n % 100}_v{n % 10}" for n in range(97)]
        cases: dict[str, Callable[[str, str], list[str]]] = {
            "read": lambda header, _: [load.request("GET", path, header=header) for path in reads],
            "write": lambda header, tag: [load.request("POST", "/models", _body(tag), header=header)],
        }
        found = []
        for name, requests in cases.items():
            ratios, beside = [], []
            for turn in range(ROUNDS):
                theirs = _cpu(without, requests("", f"{name}-{turn}"))
                ours = _cpu(having, requests(f"Authorization: Bearer {token}", f"{name}-{turn}"))
                ratios.append(ours / theirs)
                beside.append(f"{ours * 1e6:.0f} to {theirs * 1e6:.0f} µs")
            title = f"CPU of a {name} with access control and {len(POLICIES)} policies, to without"
            found.append(Figure(title, "at most", 1.2, "times", ratios, beside))
    return found


def _guarded(url: str) -> str:
    """Have access controlled there, and set the policies; a token for who may write."""
    with Client(url) as client:
        token = str(client.begin_access("ada")["token"])
    with Client(url, token=token) as client:
        for name, expression in POLICIES.items():
            fields = {"expression": expression, "message": f"must be {name}", "on": ["register"]}
            client.set_policy(name, fields)
    return token


def _body(tag: str) -> str:
    said = {"description": "A version", "training_data": "reviews-2026", "metrics": {"auc": 0.91}}
    return json.dumps({"name": f"bench-{tag}-{{n}}", "version": "v1", **said})


def _cpu(server: servers.Server, requests: list[str]) -> float:
    """Seconds of the server's CPU for one request."""
    before = server.cpu_s()
    seen = load.run(server.port, requests, seconds=SECONDS)
    assert seen.failed == 0, f"{seen.failed} of {seen.answers} requests were refused"
    return (server.cpu_s() - before) / seen.answers
