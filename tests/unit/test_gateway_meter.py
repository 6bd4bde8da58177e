"""What is counted of requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.serving.meter import Meter


def test_quantiles_are_right_to_five_percent() -> None:
    meter = Meter()
    for milliseconds in range(1, 1001):
        meter.add(milliseconds / 1000, error=False)
    assert meter.quantiles_ms() == {
        "p50": pytest.approx(500, rel=0.051),
        "p90": pytest.approx(900, rel=0.051),
        "p99": pytest.approx(990, rel=0.051),
    }


def test_before_the_first_request_there_are_none() -> None:
    assert Meter().quantiles_ms() == {}


@given(st.lists(st.floats(0, 10_000), min_size=1))
def test_any_duration_is_counted_once(durations: list[float]) -> None:
    meter = Meter()
    for seconds in durations:
        meter.add(seconds, error=seconds > 1)
    assert meter.requests == meter.at_most(1e9) == len(durations)
    assert meter.errors == sum(seconds > 1 for seconds in durations)
    assert meter.at_most(0.01) <= meter.at_most(1) <= meter.at_most(100)
