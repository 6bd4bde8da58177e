"""Reads: one record against Flask; history and the past in a long registry; memory; the index made anew."""

from __future__ import annotations

import io
import json
import subprocess
import time
import urllib.request
from pathlib import Path

from benchmarks import load, populate, servers
from benchmarks.figures import Figure
from muster.bootstrap import open_home
from muster.settings import load as settings

ROUNDS = 5
SECONDS = 3.0
SOME, MANY = 1_000, 100_000


def records(folder: Path, many: int = MANY) -> list[Figure]:
    """`GET /models/{id}` against Flask under gunicorn answering the same bytes from memory."""
    found = []
    for count in (SOME, many):
        home = folder / f"reads-{count}"
        populate.versions(home, count)
        found += _record(home, count)
    return found


def _record(home: Path, count: int) -> list[Figure]:
    paths = [f"/models/model-{n % min(1000, count // 10)}_v{n % 10}" for n in range(997)]
    with servers.muster(home) as muster:
        with urllib.request.urlopen(f"{muster.url}{paths[0]}") as answer:
            record = home / "record.json"
            record.write_bytes(answer.read())
        with servers.flask(record) as flask:
            ratios, beside = [], []
            ours = [load.request("GET", path) for path in paths]
            theirs = [load.request("GET", "/models/model_v1")]
            for _ in range(ROUNDS):
                before = muster.cpu_s(), flask.cpu_s()
                a = load.run(muster.port, ours, seconds=SECONDS)
                b = load.run(flask.port, theirs, seconds=SECONDS)
                assert a.failed == b.failed == 0
                cpu = (muster.cpu_s() - before[0]) / a.answers, (flask.cpu_s() - before[1]) / b.answers
                ratios.append(a.rate / b.rate)
                rates = f"{a.rate:.0f} to {b.rate:.0f} a second"
                beside.append(f"{rates}, CPU {cpu[0] * 1e6:.0f} to {cpu[1] * 1e6:.0f} µs a request")
        name = f"`GET /models/{{id}}` at {count:,} versions, 16 clients, to Flask under gunicorn"
        memory = [muster.memory_mib()]
    figures = [Figure(name, "at least", 3, "times", ratios, beside)]
    if count > SOME:
        figures += [_idle_memory(home, count, memory[0])]
    return figures


def _idle_memory(home: Path, count: int, after_reads: float) -> Figure:
    with servers.muster(home) as muster:
        time.sleep(2)
        seen = [muster.memory_mib()]
        began = muster.started_in_s
    return Figure(
        f"Server memory, idle at {count:,} versions", "at most", 200, "MiB", seen,
        [f"{after_reads:.0f} MiB after the reads above", f"started in {began:.2f} s"],
    )  # fmt: skip


def past(folder: Path, many: int = MANY) -> list[Figure]:
    """The history of one model, and what was in production at a time."""
    home = folder / "past"
    populate.changes(home, many)
    with servers.muster(home) as muster:
        with urllib.request.urlopen(f"{muster.url}/api/v1/changes?limit=1000") as answer:
            times = [item["time"] for item in json.load(answer)["items"]][::25]
        cases = {
            "History of one version": [f"/models/model-{n}_v3/history" for n in range(200)],
            "What was in production at T, one model": [
                f"/api/v1/deployments?environment=production&model=model-{n}&at={times[n % len(times)]}"
                for n in range(200)
            ],
            "A version as it was at T": [
                f"/api/v1/models/model-{n}/versions/v3?at={times[n % len(times)]}" for n in range(200)
            ],
            "Who set each field of a version": [
                f"/api/v1/models/model-{n}/versions/v3/blame" for n in range(200)
            ],
        }
        promised = dict.fromkeys(cases, 5.0) | dict.fromkeys(list(cases)[2:], 20.0)
        found = []
        for name, paths in cases.items():
            requests = [load.request("GET", path) for path in paths]
            runs = [load.run(muster.port, requests, clients=1, seconds=SECONDS) for _ in range(ROUNDS)]
            assert not any(run.failed for run in runs)
            beside = [f"p99 {run.p99_ms:.1f} ms" for run in runs]
            title = f"{name} over HTTP, {many:,} changes, p50"
            found.append(Figure(title, "at most", promised[name], "ms", [run.p50_ms for run in runs], beside))
    return found


def rebuild(folder: Path, many: int = MANY) -> list[Figure]:
    """The index made anew, against `git cat-file --batch` on the same objects plus decoding their JSON."""
    home = folder / f"reads-{many}"
    if not home.exists():
        populate.versions(home, many)
    ratios, beside = [], []
    for _ in range(3):
        plain = _cat_file(home / "registry.git")
        with open_home(settings({"home": str(home)})) as opened:
            began = time.perf_counter()
            opened.storage.follower.rebuild()
            took = time.perf_counter() - began
        ratios.append(took / plain)
        beside.append(f"{took:.2f} s to {plain:.2f} s")
    return [
        Figure(
            f"Index made anew from {many:,} versions, to reading them", "at most", 3, "times", ratios, beside
        )
    ]


def _cat_file(repository: Path) -> float:
    """Seconds to read every commit and every record at the head, and to decode the records."""
    git = ["git", f"--git-dir={repository}"]
    began = time.perf_counter()
    commits = subprocess.run([*git, "rev-list", "main"], stdout=subprocess.PIPE, check=True).stdout.split()
    tree = subprocess.run([*git, "ls-tree", "-r", "main"], stdout=subprocess.PIPE, check=True).stdout
    blobs = [line.split(b" ", 2)[2].split(b"\t")[0] for line in tree.splitlines()]
    names = b"\n".join([*commits, *blobs, b""])
    batch = [*git, "cat-file", "--batch", "--buffer"]
    everything = io.BytesIO(subprocess.run(batch, input=names, stdout=subprocess.PIPE, check=True).stdout)
    while header := everything.readline():
        _, kind, size = header.split()
        content = everything.read(int(size) + 1)
        if kind == b"blob" and content.startswith(b"{"):
            json.loads(content)
    return time.perf_counter() - began
