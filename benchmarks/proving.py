"""A history checked in a clone against what was signed, as a program of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import populate
from benchmarks.figures import Figure
from muster.bootstrap import open_home
from muster.settings import load

ROUNDS = 5


def figures(folder: Path, many: int = 100_000) -> list[Figure]:
    """`muster verify --against` on a bare clone, from its start to its end; and the check of every object."""
    home, clone = folder / "past", folder / "proof.git"
    if not home.exists():
        populate.changes(home, many)
    with open_home(load({"home": str(home)})) as opened:
        opened.notary.checkpoint()
        key = str(opened.notary.signer.public)
    subprocess.run(["git", "clone", "-q", "--bare", "--no-local", home / "registry.git", clone], check=True)
    command = [sys.executable, "-c", "from muster.cli import main; main()", "verify", "--json"]
    command += ["--against", str(home / "checkpoints.jsonl"), "--key", key, "--clone", str(clone)]
    rates, beside = [], []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        said = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        took = time.perf_counter() - began
        rates.append(said["commits"] / took)
        beside.append(f"{took:.2f} s")
    began = time.perf_counter()
    subprocess.run([*command, "--objects"], stdout=subprocess.PIPE, check=True)
    beside.append(f"with --objects {time.perf_counter() - began:.2f} s")
    name = f"`muster verify --against` on a clone of {many:,} changes"
    return [Figure(name, "at least", 20_000, "commits a second", rates, beside)]
