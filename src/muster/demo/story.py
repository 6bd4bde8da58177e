"""From nothing to a rollback under load, each step with the command that does the same.

Every expectation is checked; the first that does not come true ends the demo
with exit code 1 and says which it was.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Final

import httpx
from rich.console import Console

from muster.demo import models
from muster.demo.models import Digits, Trained, broken
from muster.demo.place import Place, committed, folder, neutral, serving
from muster.demo.telling import Disappointed, Telling
from muster.demo.traffic import Tally, Traffic
from muster.settings import Settings

MODEL: Final = "digits"
PLACE: Final = "production"
TRAINER: Final = "training-job"
ON_CALL: Final = "on-call"
AGO_S: Final = 20
_ENOUGH: Final = 200  # answers of a version, to say how good it is
_PATIENCE_S: Final = 60.0
_INTERRUPTED: Final = 130


def run(settings: Settings) -> int:
    """Tell the whole story on standard output; the exit code.

    The server and the registry are its own, in a temporary folder; nothing stays.
    On a terminal it waits for Enter before it clears up.
    """
    telling = Telling(Console(file=sys.stdout))
    with _terminable():
        try:
            _tell(telling, settings)
        except Disappointed as why:
            telling.disappointed(why)
            return 1
        except KeyboardInterrupt:
            telling.words("Interrupted; the server is stopped and the folder removed.")
            return _INTERRUPTED
    return 0


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM clears up as Ctrl-C does."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(telling: Telling, settings: Settings) -> None:
    with ExitStack() as stack:
        where = stack.enter_context(folder())
        environment = neutral(settings.surroundings)
        telling.step("Train classifiers of handwritten digits")
        with telling.busy("Training on the digits that come with scikit-learn"):
            digits = Digits()
            weak = digits.weak(where / "v1")
            better = digits.better(where / "v2")
            cut_short = broken(better, where / "v3")
            (where / "digit.json").write_text(json.dumps({"inputs": [digits.held_out[0].pixels]}))
            commit = committed(where, Path(models.__file__), "train.py", environment)
        telling.words(f"v1: {weak.what}, {weak.accuracy:.1%} right on digits it never saw")
        telling.words(f"v2: {better.what}, {better.accuracy:.1%} right")
        telling.words(f"v3: {cut_short.what}, as a broken upload leaves it")
        telling.words(f"train.py is in a Git work tree, as yours would be: commit {commit[:8]}")

        telling.step("Start a server with a new registry")
        telling.command(f"cd {where}")
        telling.command("muster serve --home registry --port 0 &")
        with telling.busy("Starting"):
            place = stack.enter_context(serving(where, commit, environment, telling.width))
        telling.words(f"It answers at {place.url} (API: {place.url}/docs)")
        telling.command(f"export MUSTER_URL={place.url}")

        traffic = Traffic(place.url, MODEL, PLACE, digits.held_out)
        story = Story(telling, place, traffic)
        story.register(weak, better, cut_short)
        traffic.start()
        stack.callback(traffic.stop)
        story.deploy_first(weak)
        story.replace(better, weak)
        story.refuse_broken()
        story.kill_worker()
        story.roll_back()
        story.answer_questions()
        story.read_with_git()
        last = story.count()
        if telling.alive:
            telling.panel(
                f"{place.url}/docs shows the API, {place.home} is the registry.\n"
                f"In another terminal: export MUSTER_URL={place.url}; muster status",
                "The server is still up",
            )
            telling.console.input("Press Enter to end it. ")
    telling.console.print(f"[bold]{last.sent:,} requests, {last.failed} failed[/bold]", highlight=False)


class Story:
    """The steps, in the order in which they are told."""

    def __init__(self, telling: Telling, place: Place, traffic: Traffic) -> None:
        self._telling = telling
        self._place = place
        self._traffic = traffic
        self._http = httpx.Client(base_url=place.url, timeout=_PATIENCE_S, trust_env=False)
        self._replaced_at = datetime.now(UTC)

    # ------------------------------------------------------------ steps

    def register(self, *versions: Trained) -> None:
        """Register each version with its metric, training data, source and file."""
        self._telling.step("Register the versions with metrics, training data, source and files")
        for number, trained in enumerate(versions, 1):
            data = trained.data
            self._muster(
                "register", MODEL, f"v{number}",
                "--files", trained.folder.name,
                "--description", trained.what,
                "--metric", f"accuracy={trained.accuracy:.3f}",
                "--training-data", f"@{data.file.name}",
                "--reason", "Nightly training",
                actor=TRAINER,
            )  # fmt: skip
            record = self._record(f"{MODEL}_v{number}")
            known = record["training_data"]
            self._telling.expect(
                (known["sha256"], known["rows"], record["source"]["commit"], len(record["files"]))
                == (data.sha256, data.rows, self._place.commit, 1),
                f"{MODEL} v{number} is registered: accuracy {record['metrics']['accuracy']}, trained on "
                f"{known['name']} ({data.rows:,} rows, sha256 {data.sha256[:8]}…) by commit "
                f"{self._place.commit[:8]}, {record['files'][0]['size']:,} bytes",
                str(record),
            )

    def deploy_first(self, weak: Trained) -> None:
        """v1 into production; the client begins."""
        self._telling.step("Deploy v1. From here on a client sends digits without pause")
        self._muster("deploy", f"{MODEL}/v1", "--reason", "First version", actor=TRAINER)
        self._telling.command(
            f"curl {self._place.url}/serve/{PLACE}/{MODEL}/invocations "
            "-H 'Content-Type: application/json' -d @digit.json"
        )
        seen = self._after(
            lambda tally: tally.answers.get(f"{MODEL}_v1", 0) >= _ENOUGH, "v1 answers the client"
        )
        self._telling.expect(
            abs(seen.accuracy(f"{MODEL}_v1") - weak.accuracy) < 0.15,
            f"v1 serves: {seen.accuracy(f'{MODEL}_v1'):.1%} of its answers are right",
            f"{seen.accuracy(f'{MODEL}_v1'):.1%}, measured before: {weak.accuracy:.1%}",
        )

    def replace(self, better: Trained, weak: Trained) -> None:
        """v2 in the place of v1; the client sees better answers and no gap."""
        self._telling.step("Deploy the better v2 in its place")
        self._muster("deploy", f"{MODEL}/v2", "--reason", _gain(better, weak), actor=TRAINER)
        self._replaced_at = datetime.now(UTC)
        seen = self._after(
            lambda tally: tally.answers.get(f"{MODEL}_v2", 0) >= _ENOUGH, "v2 answers the client"
        )
        first, second = seen.accuracy(f"{MODEL}_v1"), seen.accuracy(f"{MODEL}_v2")
        self._telling.expect(
            second > first,
            f"The client's answers got better: {first:.1%} right from v1, {second:.1%} from v2",
            f"{first:.1%} from v1, {second:.1%} from v2",
        )
        self._no_failures(seen)

    def refuse_broken(self) -> None:
        """v3 cannot start; it is refused with what its worker said, and v2 serves on."""
        self._telling.step("Try to deploy v3, which is broken")
        said = self._muster("deploy", f"{MODEL}/v3", "--reason", "Newer", actor=TRAINER, refused=True)
        self._telling.expect("onnxruntime" in said, "v3 is refused, with what its worker said", said)
        self._telling.expect(
            self._deployed() == f"{MODEL}_v2", "v2 is still what is deployed", self._deployed()
        )
        self._goes_on("v2 serves on")

    def kill_worker(self) -> None:
        """The process that serves v2 is killed; it comes back, and requests waited for it."""
        self._telling.step("Kill the process that serves v2")
        active = self._active()
        process = active["process"]
        self._telling.command(f"kill -9 {process}")
        self._traffic.watch()
        os.kill(process, signal.SIGKILL)
        self._until(
            lambda: self._ready_again(process), "a new process serves v2", "Waiting for a new process"
        )
        seen = self._goes_on("v2 serves on")
        self._telling.expect(
            seen.last == f"{MODEL}_v2",
            f"Process {self._active()['process']} took over; the slowest request waited "
            f"{seen.slowest_s * 1000:,.0f} ms and was answered",
            str(seen.last),
        )

    def roll_back(self) -> None:
        """From v2 to v1, which stood by."""
        self._telling.step("Roll back to v1")
        self._muster("rollback", f"{MODEL}/v2", "--reason", "Too slow at peak hours", actor=ON_CALL)
        self._after(lambda tally: tally.last == f"{MODEL}_v1", "v1 answers the client again")
        self._telling.expect(self._deployed() == f"{MODEL}_v1", "v1 is in production again", self._deployed())
        v2 = self._record(f"{MODEL}_v2")["deployment_status"]
        self._telling.expect(v2 == "staging", "v2 went back to staging", v2)
        self._no_failures(self._traffic.tally())

    def answer_questions(self) -> None:
        """What is in production, who put it there and why, and what was there before."""
        telling = self._telling
        telling.step("What is in production?")
        said = self._muster("status")
        telling.expect(_says(said, "v1"), f"{MODEL} v1 is", said)
        telling.step("Who put it there, and why?")
        said = self._muster("log", MODEL, "--env", PLACE, "--kind", "deploy", "--kind", "rollback")
        telling.expect(ON_CALL in said and "Too slow" in said, f"{ON_CALL}, because v2 was too slow", said)
        telling.step(f"What was there {AGO_S} seconds ago?")
        ready = self._replaced_at + timedelta(seconds=AGO_S + 1)
        self._until(
            lambda: datetime.now(UTC) > ready,
            f"{AGO_S} seconds pass",
            f"Waiting until v2's deployment is {AGO_S} seconds ago; the client sends on",
        )
        then = datetime.now(UTC) - timedelta(seconds=AGO_S)
        said = self._muster("status", "--at", then.isoformat(timespec="seconds").replace("+00:00", "Z"))
        telling.expect(_says(said, "v2"), f"{MODEL} v2 was", said)
        telling.expect(self._deployed(then.isoformat()) == f"{MODEL}_v2", "The API says so, too")

    def read_with_git(self) -> None:
        """A plain clone tells the same story."""
        self._telling.step("Read it all with plain Git")
        self._call(("git", "clone", "--quiet", "registry/registry.git", "clone"))
        said = self._call(("git", "-C", "clone", "log", "--format=%h %an: %s", "--reverse"))
        subjects = [line.split(": ", 1)[1] for line in said.splitlines()]
        self._telling.expect(
            f"Deploy {MODEL} v2 to {PLACE}" in subjects
            and f"Roll back {MODEL} v2 to v1 in {PLACE}" in subjects,
            f"Each of the {len(subjects)} changes is a commit",
            said,
        )

    def count(self) -> Tally:
        """The client's last count: nothing failed."""
        seen = self._traffic.stop()
        self._no_failures(seen)
        return seen

    # ------------------------------------------------------------ commands

    def _muster(self, *arguments: str, actor: str | None = None, refused: bool = False) -> str:
        return self._call(("muster", *arguments), actor, refused)

    def _call(self, command: tuple[str, ...], actor: str | None = None, refused: bool = False) -> str:
        """Show a command, run it, show what it said; it must succeed, or be `refused`."""
        self._telling.command(command, actor)
        done = self._place.run(command, actor)
        # The hint at the next command is for who types; the story goes its own way.
        said = [line for line in done.stdout.splitlines() if not line.startswith("Next: ")]
        self._telling.output(said)
        if (done.returncode != 0) != refused:
            wanted = "is refused" if refused else "succeeds"
            raise Disappointed(f"`{' '.join(command)}` {wanted}. Instead ({done.returncode}): {done.stdout}")
        return done.stdout

    # ------------------------------------------------------------ what is so

    def _json(self, path: str, **params: str) -> Any:
        try:
            return self._http.get(path, params=params).raise_for_status().json()
        except httpx.HTTPError as error:
            raise Disappointed(f"the server answers GET {path}. Instead: {error}") from error

    def _record(self, model_id: str) -> dict[str, Any]:
        record: dict[str, Any] = self._json(f"/models/{model_id}")
        return record

    def _deployed(self, at: str | None = None) -> str:
        """The id of what is (or was) declared in production."""
        params = {"environment": PLACE, "model": MODEL} | ({"at": at} if at else {})
        items = self._json("/api/v1/deployments", **params)["items"]
        return str(items[0]["model_id"]) if items else "nothing"

    def _active(self) -> dict[str, Any]:
        """The state of the version that gets the traffic."""
        detail = self._json(f"/api/v1/deployments/{PLACE}/{MODEL}")
        return next(state for state in detail["instances"] if state["active"])

    def _ready_again(self, before: int) -> bool:
        active = self._active()
        return active["health"] == "ready" and active["process"] not in (None, before)

    # ------------------------------------------------------------ waiting

    def _goes_on(self, sentence: str) -> Tally:
        """The client gets answers now, and none has failed."""
        sent = self._traffic.tally().sent
        seen = self._after(lambda tally: tally.sent >= sent + _ENOUGH, sentence)
        self._no_failures(seen)
        return seen

    def _no_failures(self, seen: Tally) -> None:
        self._telling.expect(
            seen.failed == 0, f"The client: {seen.sent:,} requests, {seen.failed} failed", seen.complaint
        )

    def _after(self, true: Callable[[Tally], bool], sentence: str) -> Tally:
        """The count, once it satisfies `true`."""
        self._until(lambda: true(self._traffic.tally()), sentence, "The client sends digits")
        return self._traffic.tally()

    def _until(self, true: Callable[[], bool], sentence: str, meanwhile: str) -> None:
        if true():
            return
        deadline = time.monotonic() + _PATIENCE_S
        with self._telling.busy(meanwhile):
            while not true():
                if time.monotonic() > deadline:
                    raise Disappointed(f"{sentence} (waited {_PATIENCE_S:g} s)")
                time.sleep(0.1)


def _says(table: str, version: str) -> bool:
    """Whether a row of `muster status` has that version of the model."""
    return re.search(rf"\b{MODEL}\s+{version}\b", table) is not None


def _gain(better: Trained, weak: Trained) -> str:
    return f"{better.accuracy:.1%} right instead of {weak.accuracy:.1%}"
