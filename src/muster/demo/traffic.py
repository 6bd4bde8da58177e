"""A client that sends digits without pause, and keeps count of what comes back."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from muster.demo.models import Digit

_PATIENCE_S: Final = 60.0  # for one answer: longer than the gateway ever holds a request


@dataclass(frozen=True, slots=True)
class Tally:
    """What the client has seen so far; `answers` and `right` by model id, `slowest_s` since `watch`."""

    sent: int
    failed: int
    answers: dict[str, int]
    right: dict[str, int]
    last: str | None
    slowest_s: float
    complaint: str

    def accuracy(self, model_id: str) -> float:
        """The share of right answers by that version; 0 if it gave none."""
        return self.right.get(model_id, 0) / max(1, self.answers.get(model_id, 0))


class Traffic:
    """Digits for one model in one environment, from a thread, one request after the other.

    It begins as a careful client does: it asks whether the model is ready, and
    sends the first digit when it is. From then on everything that is not a
    well-formed prediction counts as failed, with the first such answer kept.
    """

    def __init__(self, url: str, model: str, environment: str, digits: Sequence[Digit]) -> None:
        self._base = f"{url}/serve/{environment}/{model}"
        self._digits = digits
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._sent = 0
        self._failed = 0
        self._answers: Counter[str] = Counter()
        self._right: Counter[str] = Counter()
        self._last: str | None = None
        self._slowest_s = 0.0
        self._complaint = ""
        self._thread = threading.Thread(target=self._run, name="client", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> Tally:
        """End after the request under way; the last count."""
        self._stopping.set()
        self._thread.join()
        return self.tally()

    def watch(self) -> None:
        """Look anew for the slowest answer."""
        with self._lock:
            self._slowest_s = 0.0

    def tally(self) -> Tally:
        """The count so far."""
        with self._lock:
            return Tally(
                self._sent,
                self._failed,
                dict(self._answers),
                dict(self._right),
                self._last,
                self._slowest_s,
                self._complaint,
            )

    def _run(self) -> None:
        with httpx.Client(timeout=_PATIENCE_S, trust_env=False) as http:
            while not self._stopping.is_set():
                if self._ready(http):
                    break
                self._stopping.wait(0.05)
            for digit in itertools.cycle(self._digits):
                if self._stopping.is_set():
                    return
                self._send(http, digit)

    def _ready(self, http: httpx.Client) -> bool:
        try:
            return http.get(f"{self._base}/v2/health/ready").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def _send(self, http: httpx.Client, digit: Digit) -> None:
        began = time.monotonic()
        answer, complaint = None, ""
        try:
            answer = http.post(f"{self._base}/invocations", json={"inputs": [digit.pixels]})
            said = _prediction(answer)
        except (httpx.HTTPError, _NotAPrediction) as error:
            said, complaint = None, f"{type(error).__name__}: {error}"
        took = time.monotonic() - began
        with self._lock:
            self._sent += 1
            self._slowest_s = max(self._slowest_s, took)
            if said is None or answer is None:
                self._failed += 1
                self._complaint = self._complaint or complaint
                return
            self._last = answer.headers.get("muster-model-id", "")
            self._answers[self._last] += 1
            self._right[self._last] += said == digit.shows


class _NotAPrediction(Exception):
    """An answer that a client could do nothing with."""


def _prediction(answer: httpx.Response) -> int:
    """The digit that the answer names. Raises _NotAPrediction."""
    if answer.status_code != httpx.codes.OK:
        raise _NotAPrediction(f"status {answer.status_code}: {answer.text[:200]}")
    try:
        predictions = answer.json()["predictions"]
        [digit], [chances] = predictions["label"], predictions["probabilities"]
        if digit in range(10) and len(chances) == 10 and abs(sum(chances) - 1) < 0.01:
            return int(digit)
    except (ValueError, KeyError, TypeError):
        pass
    raise _NotAPrediction(f"not a prediction: {answer.text[:200]}")
