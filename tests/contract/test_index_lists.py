"""Lists of versions: filters, text, orders, paging."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from muster.domain import changes as c
from muster.domain.errors import Invalid
from muster.index.store import SqlIndex
from muster.service.values import VersionFilter
from tests.builders import Story, deploy, register

EVERYTHING = VersionFilter()


@pytest.fixture
def index() -> Iterator[SqlIndex]:
    index = SqlIndex(None)
    yield index
    index.close()


@pytest.fixture(autouse=True)
def story(index: SqlIndex) -> Story:
    """Five live versions and a deleted one."""
    story = Story(index).begin()
    story.do(
        register("digits", "v1", metrics={"auc": 0.9}, tags={"team": "x"}, owner="ada"),
        register("gone", "v1", metrics={"auc": 0.99}, tags={"team": "x"}),
        register("Straße", "v1", metrics={"auc": 0.7}, tags={"team": "x", "lang": "de"}),
        register("digits", "v2", tags={"team": "y"}, model_kind="adapter"),
        register("digits", None, metrics={"auc": 0.8}, imported={"created_at": "2001-01-01T00:00:00Z"}),
        register("100% [sure]*", "v1", stage="staging"),
        c.DeleteVersion("gone", 1),
        c.UpdateVersion("digits", 1, description="the first"),
        deploy("digits", 2, "staging"),
    )
    return story


def ids(
    index: SqlIndex,
    wanted: VersionFilter = EVERYTHING,
    *,
    order: str = "sequence",
    descending: bool = False,
    limit: int = 100,
) -> list[str]:
    found = index.versions(wanted, order=order, descending=descending, limit=limit)
    return [version.model_id for version in found]


def paged(index: SqlIndex, order: str, *, descending: bool) -> list[str]:
    """The whole list, read one version at a time."""
    read: list[str] = []
    after = 0
    while page := index.versions(EVERYTHING, after=after, limit=1, order=order, descending=descending):
        read.append(page[0].model_id)
        after = page[0].sequence
    return read


class TestFilters:
    def test_everything_live_comes_in_order_of_registration(self, index: SqlIndex) -> None:
        everything = ["digits_v1", "Straße_v1", "digits_v2", "digits@3", "100% [sure]*_v1"]
        assert ids(index) == everything
        assert [name for _, name in index.model_ids(EVERYTHING, limit=100)] == everything
        assert index.count_versions(EVERYTHING) == 5

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            (VersionFilter(model="digits"), ["digits_v1", "digits_v2", "digits@3"]),
            (VersionFilter(stage="staging"), ["digits_v2", "100% [sure]*_v1"]),
            (VersionFilter(model="digits", stage="staging"), ["digits_v2"]),
            (VersionFilter(kind="adapter"), ["digits_v2"]),
            (VersionFilter(owner="ada"), ["digits_v1"]),
            (VersionFilter(owner="ada", kind="adapter"), []),
            (VersionFilter(tags={"team": "x"}), ["digits_v1", "Straße_v1"]),
            (VersionFilter(tags={"team": "x", "lang": "de"}), ["Straße_v1"]),
            (VersionFilter(tags={"team": "x"}, owner="ada", stage="development"), ["digits_v1"]),
            (VersionFilter(environment="staging"), ["digits_v2"]),
            (VersionFilter(environment="staging", tags={"team": "x"}), []),
            (VersionFilter(model="gone"), []),
        ],
    )
    def test_a_filter_holds_for_lists_ids_and_counts(
        self, index: SqlIndex, wanted: VersionFilter, found: list[str]
    ) -> None:
        assert ids(index, wanted) == found
        assert [name for _, name in index.model_ids(wanted, limit=100)] == found
        assert index.count_versions(wanted) == len(found)

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("IGITS", ["digits_v1", "digits_v2", "digits@3"]),
            ("v2", ["digits_v2"]),
            ("its_V", ["digits_v1", "digits_v2"]),
            ("STRASSE", ["Straße_v1"]),
            ("ße", ["Straße_v1"]),
            ("% [", ["100% [sure]*_v1"]),
            ("0%", ["100% [sure]*_v1"]),
            ('e"]', []),
            ("___", []),
            ("gone", []),
            ("dig OR str", []),
        ],
    )
    def test_text_is_found_anywhere_in_an_id_whatever_its_case(
        self, index: SqlIndex, text: str, found: list[str]
    ) -> None:
        assert ids(index, VersionFilter(text=text)) == found
        assert index.count_versions(VersionFilter(text=text)) == len(found)

    def test_tags_follow_their_changes(self, index: SqlIndex, story: Story) -> None:
        story.do(c.UpdateVersion("digits", 1, tags={"team": None, "lang": "fr"}))
        assert ids(index, VersionFilter(tags={"team": "x"})) == ["Straße_v1"]
        assert ids(index, VersionFilter(tags={"lang": "fr"})) == ["digits_v1"]


ORDERS = {
    "sequence": ["digits_v1", "Straße_v1", "digits_v2", "digits@3", "100% [sure]*_v1"],
    "name": ["100% [sure]*_v1", "Straße_v1", "digits_v1", "digits_v2", "digits@3"],
    "number": ["digits_v1", "Straße_v1", "100% [sure]*_v1", "digits_v2", "digits@3"],
    "created_at": ["digits@3", "digits_v1", "Straße_v1", "digits_v2", "100% [sure]*_v1"],
    "last_updated": ["Straße_v1", "digits@3", "100% [sure]*_v1", "digits_v1", "digits_v2"],
}


class TestOrders:
    @pytest.mark.parametrize("order", ORDERS)
    def test_each_order_goes_both_ways_and_in_pages(self, index: SqlIndex, order: str) -> None:
        forward = ORDERS[order]
        backward = list(reversed(forward))
        assert ids(index, order=order) == paged(index, order, descending=False) == forward
        assert ids(index, order=order, descending=True) == paged(index, order, descending=True) == backward

    def test_versions_without_a_metric_come_after_those_with_it(self, index: SqlIndex) -> None:
        rising = ["Straße_v1", "digits@3", "digits_v1"]
        assert ids(index, order="metric:auc")[:3] == rising
        assert ids(index, order="metric:auc", descending=True)[:3] == rising[::-1]
        for descending in (False, True):
            whole = ids(index, order="metric:auc", descending=descending)
            assert set(whole[3:]) == {"digits_v2", "100% [sure]*_v1"}
            assert paged(index, "metric:auc", descending=descending) == whole

    def test_a_filter_and_an_order_go_together(self, index: SqlIndex) -> None:
        wanted = VersionFilter(model="digits")
        assert ids(index, wanted, order="metric:auc") == ["digits@3", "digits_v1", "digits_v2"]
        assert ids(index, wanted, order="last_updated", limit=2) == ["digits@3", "digits_v1"]

    def test_an_unknown_order_is_refused_by_name(self, index: SqlIndex) -> None:
        with pytest.raises(Invalid, match="metric:NAME"):
            ids(index, order="colour")
