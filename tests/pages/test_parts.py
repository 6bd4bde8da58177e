"""What pages are made of: ages, sizes, plots, comparisons, forms, cards, tokens, addresses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from muster.domain.errors import Invalid
from muster.http.pages import security
from muster.http.pages.card import card
from muster.http.pages.links import address
from muster.http.pages.metrics_view import compared
from muster.http.pages.plot_view import Measured, plot
from muster.http.pages.rendering import figure, size
from muster.http.pages.signature_view import fields, request, tensors
from muster.http.pages.times import when

NOW = datetime(2026, 11, 24, 9, 41, tzinfo=UTC)
DIGITS = {
    "inputs": [{"name": "pixels", "dtype": "FP32", "shape": [None, 64]}],
    "outputs": [{"name": "digit", "dtype": "INT64", "shape": [None]}],
}


class TestTimes:
    @pytest.mark.parametrize(
        ("ago", "age"),
        [
            (timedelta(milliseconds=200), "now"),
            (timedelta(seconds=59.9), "59 s"),
            (timedelta(minutes=41), "41 min"),
            (timedelta(hours=3, minutes=59), "3 h"),
            (timedelta(days=12), "12 d"),
            (timedelta(days=364), "364 d"),
            (timedelta(days=366), "23 Nov 2025"),
            (timedelta(seconds=-5), "now"),
        ],
    )
    def test_a_time_is_an_age_until_it_is_a_year_old(self, ago: timedelta, age: str) -> None:
        assert when(NOW - ago, NOW).age == age

    def test_the_exact_time_is_there_too(self) -> None:
        seen = when(datetime.fromisoformat("2026-11-24T11:00:14.25+02:00"), NOW)
        assert (seen.iso, seen.exact) == ("2026-11-24T09:00:14.250Z", "2026-11-24 09:00:14 UTC")
        assert seen.ago == "40 min ago"
        assert when(NOW, NOW).ago == "just now"


@pytest.mark.parametrize(
    ("bytes_", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (38_200, "38 kB"),
        (4_800_000, "4.8 MB"),
        (5 * 10**12, "5.0 TB"),
    ],
)
def test_sizes_are_said_as_people_do(bytes_: int, said: str) -> None:
    assert size(bytes_) == said


def test_figures_keep_the_digits_that_they_were_given() -> None:
    assert [figure(each) for each in (0.977, -0.5, 61340, 1e-7)] == ["0.977", "−0.5", "61,340", "1e−07"]


class TestPlot:
    def test_the_title_says_the_finding(self) -> None:
        measured = [Measured("v1", 0.9), Measured("v2", 0.95, "production", "ready"), Measured("v3", 0.97)]
        drawn = plot("accuracy", measured)
        assert drawn is not None
        assert drawn.title == "accuracy over versions: 0.9 at v1, 0.95 at v2 in production, 0.97 at v3"
        assert [text for _, _, text in drawn.grid] == ["0.90", "0.95", "1.00"]
        assert [point.label for point in drawn.points] == ["v1", "v2", "v3"]

    @pytest.mark.parametrize("values", [[1.0, 1.0], [0.0, 0.0], [-5.0, 1e9], [1e-9, 2e-9], [3, 3.0000001]])
    def test_any_values_stay_in_the_picture(self, values: list[float]) -> None:
        drawn = plot("m", [Measured(str(at), value) for at, value in enumerate(values)])
        assert drawn is not None
        assert all(30 <= float(point.y) <= 150 for point in drawn.points)

    def test_one_value_is_no_plot(self) -> None:
        assert plot("m", [Measured("v1", 1.0)]) is None

    def test_of_many_versions_only_some_are_named_and_the_newest_is(self) -> None:
        drawn = plot("m", [Measured(f"v{n}", n) for n in range(30)])
        assert drawn is not None
        named = [point.label for point in drawn.points if point.label]
        assert len(named) <= 12
        assert named[-1] == "v29"


class TestComparison:
    def test_better_goes_by_what_the_metric_is(self) -> None:
        ours = {"accuracy": 0.977, "loss": 0.3, "latency_p95_ms": 3.1, "depth": 7.0, "only_ours": 1.0}
        theirs = {"accuracy": 0.968, "loss": 0.2, "latency_p95_ms": 3.1, "depth": 8.0, "only_theirs": 1.0}
        found = {each.name: (each.change, each.it_is, each.bar) for each in compared(ours, theirs)}
        assert found == {
            "accuracy": ("+0.009", "better", "up"),
            "depth": ("−1.0", "lower", ""),
            "latency_p95_ms": ("0.0", "same", ""),
            "loss": ("+0.1", "worse", "down"),
            "only_ours": ("", "", ""),
            "only_theirs": ("", "", ""),
        }


class TestForms:
    def test_a_flat_square_may_be_drawn(self) -> None:
        (field,) = fields(DIGITS, {})
        assert (field.name, field.hint, field.side, field.ink) == ("pixels", "FP32, 64", 8, 16)
        assert field.value.split("\n") == ["0 0 0 0 0 0 0 0"] * 8

    @pytest.mark.parametrize(
        ("shape", "side"),
        [
            ([None, 1, 28, 28], 28),
            ([None, 28, 28, 1], 28),
            ([None, 4], 0),
            ([None, 8, 2], 0),
            ([None, 3, 8, 8], 0),
            ([None, None], 0),
            ([None, 224, 224], 0),
            ([64], 8),
            ([], 0),
        ],
    )
    def test_only_what_is_shaped_like_a_small_image_may(self, shape: list[int | None], side: int) -> None:
        signature = {"inputs": [{"name": "x", "dtype": "FP32", "shape": shape}]}
        assert fields(signature, {})[0].side == side

    def test_what_is_typed_becomes_a_request_of_one_example(self) -> None:
        body = request(DIGITS, {"input-0": ", ".join(["0.5"] * 64)})
        assert body == {
            "inputs": [{"name": "pixels", "datatype": "FP32", "shape": [1, 64], "data": [0.5] * 64}]
        }

    def test_a_dimension_of_any_size_takes_what_is_there(self) -> None:
        signature = {"inputs": [{"name": "x", "dtype": "INT64", "shape": [None, None, 2]}]}
        assert request(signature, {"input-0": "1 2 3 4 5 6"})["inputs"][0]["shape"] == [1, 3, 2]

    def test_texts_are_lines(self) -> None:
        signature = {"inputs": [{"name": "x", "dtype": "BYTES", "shape": [None]}]}
        assert request(signature, {"input-0": "Great film"})["inputs"][0]["data"] == ["Great film"]

    def test_all_that_is_wrong_is_said_at_once(self) -> None:
        signature = {
            "inputs": [
                {"name": "a", "dtype": "FP32", "shape": [None, 2]},
                {"name": "b", "dtype": "INT64", "shape": [None, 1]},
                {"name": "c", "dtype": "BOOL", "shape": [None, 1]},
            ]
        }
        with pytest.raises(Invalid) as refused:
            request(signature, {"input-0": "1 2 3", "input-1": "1.5", "input-2": "maybe"})
        assert [(each.field, each.rule) for each in refused.value.problems] == [
            ("input-0", "must hold 2 values"),
            ("input-1", "must be whole numbers, with spaces or commas between them"),
            ("input-2", "must be true or false, or 1 or 0"),
        ]

    def test_shapes_are_written_as_people_do(self) -> None:
        assert [(each.name, each.shape) for each in tensors(DIGITS, "inputs")] == [("pixels", "n × 64")]


class TestCards:
    def test_headings_go_below_those_of_the_page(self) -> None:
        assert card("# One\n\n##### Five") == "<h3>One</h3>\n<h6>Five</h6>\n"

    @pytest.mark.parametrize(
        "text",
        [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "[x](javascript:alert(1))",
            "<a href='data:text/html,x'>x</a>",
            "<iframe src=//evil.example></iframe>",
            "<p style='position:fixed'>x</p>",
            "<svg onload=alert(1)>",
            "<form action=/you method=post><input name=actor></form>",
        ],
    )
    def test_nothing_in_them_can_do_harm(self, text: str) -> None:
        html = str(card(text))
        harmful = ("<script", "<img", "href=", "<iframe", "style=", "<svg", "onload", "<form", "<input")
        assert not [each for each in harmful if each in html]


class TestTokens:
    def test_a_masked_token_agrees_with_its_own_alone(self) -> None:
        token = security.new_token()
        assert security.agrees(security.masked(token), token)
        assert not security.agrees(security.masked(security.new_token()), token)
        assert not security.agrees("", token)
        assert not security.agrees(None, token)
        assert not security.agrees(security.masked(token), None)

    def test_a_cookie_gives_back_the_token(self) -> None:
        token = security.new_token()
        assert security.read(security.written(token)) == token
        assert [security.read(text) for text in (None, "", "é", "AAAA")] == [None] * 4


def test_names_are_quoted_whole_in_addresses() -> None:
    assert address("m", 'a b/%"?#', query={"at": "2026-01-31T12:00:00+01:00", "none": None}) == (
        "/m/a%20b%2F%25%22%3F%23?at=2026-01-31T12%3A00%3A00%2B01%3A00"
    )
    assert address() == "/"
