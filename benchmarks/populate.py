"""A home with many versions, made through the committer itself, in bursts."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from muster.bootstrap import open_home
from muster.domain.changes import Actor, Change, Deploy, RegisterVersion, SetAlias, UpdateVersion
from muster.service.registry import Registry
from muster.service.submissions import Recorded
from muster.settings import load

ACTOR = Actor("bench")
MODELS = 1_000
WAITING = 64


def versions(home: Path, count: int) -> None:
    """`count` registered versions, spread over at most 1,000 models."""
    with open_home(load({"home": str(home)}), serving=True) as opened:
        _all(opened.registry, [_register(n, min(MODELS, count // 10 or 1)) for n in range(count)])


def changes(home: Path, count: int, models: int = 500) -> None:
    """`count` changes: registrations, edits, aliases, and deployments of versions without files."""
    with open_home(load({"home": str(home)}), serving=True) as opened:
        registry = opened.registry
        _all(registry, [_register(n, models) for n in range(count // 2)])
        per_model = count // 2 // models
        further: list[Change] = []
        for n in range(count - count // 2):
            model, number = f"model-{n % models}", (n // models) % per_model + 1
            match n // models % 4:
                case 0:
                    further.append(Deploy(model, number, "production"))
                case 1:
                    further.append(UpdateVersion(model, number, tags={"checked": str(n)}))
                case 2:
                    further.append(SetAlias(model, "champion", number))
                case _:
                    further.append(Deploy(model, number, "staging"))
        _all(registry, further)


def _register(n: int, models: int) -> RegisterVersion:
    return RegisterVersion(
        f"model-{n % models}",
        f"v{n // models}",
        description="A version among many",
        training_data={"name": "reviews", "rows": 100_000},
        tags={"team": f"team-{n % 7}"},
        metrics={"auc": 0.9 + n % 100 / 1000},
    )


def _all(registry: Registry, wanted: Sequence[Change]) -> None:
    waiting: deque[Future[Recorded]] = deque()
    for change in wanted:
        waiting.append(registry.submit(change, ACTOR, "benchmark"))
        if len(waiting) >= WAITING:
            waiting.popleft().result()
    for future in waiting:
        future.result()
