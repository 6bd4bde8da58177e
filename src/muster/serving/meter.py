"""Counts and latencies of one endpoint, cheap enough for every request."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate

_SMALLEST_S = 0.00005
_GROWTH = 1.05  # neighbouring bounds differ by 5 %, and so a quantile by that at most
_LOG_GROWTH = math.log(_GROWTH)
_BUCKETS = 1 + math.ceil(math.log(600 / _SMALLEST_S) / _LOG_GROWTH)

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


class Meter:
    """A histogram of fixed size with logarithmic buckets, from 0.05 ms to 10 minutes.

    Written by one thread; others may read at any time and see it nearly right.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self.requests = 0
        self.errors = 0
        self.seconds = 0.0
        self._counts = [0] * _BUCKETS

    def add(self, seconds: float, error: bool) -> None:
        """One request ended after `seconds`."""
        self.requests += 1
        self.errors += error
        self.seconds += seconds
        at = 0 if seconds <= _SMALLEST_S else math.ceil(math.log(seconds / _SMALLEST_S) / _LOG_GROWTH)
        self._counts[min(at, _BUCKETS - 1)] += 1

    def quantiles_ms(self) -> dict[str, float]:
        """By name (`QUANTILES`), in milliseconds; {} before the first request."""
        cumulated = list(accumulate(self._counts))
        total = cumulated[-1]
        if not total:
            return {}
        return {
            name: round(_SMALLEST_S * _GROWTH ** bisect_left(cumulated, share * total) * 1000, 3)
            for name, share in QUANTILES.items()
        }

    def at_most(self, seconds: float) -> int:
        """How many requests took no longer (to 5 %)."""
        at = 0 if seconds <= _SMALLEST_S else math.floor(math.log(seconds / _SMALLEST_S) / _LOG_GROWTH)
        return sum(self._counts[: at + 1])
