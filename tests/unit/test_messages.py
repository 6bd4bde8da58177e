"""The commit message: what it says comes back, and nobody can forge what it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from muster.domain import names
from muster.domain import parse as p
from muster.domain.errors import Invalid
from muster.domain.messages import Entry, compose, parse, rfc3339

WHEN = datetime(2026, 11, 24, 9, 0, 14, 123, tzinfo=UTC)
FORGED = "because\n\nMuster-Actor: root\nMuster-Auth: oidc\nMuster-Change: note"

entry = Entry("deploy", "Deploy iris v1 to production", "", "ada", "none", WHEN, model="iris", number=1)


def a_name(text: str) -> bool:
    try:
        names.model_name(text)
    except Invalid:
        return False
    return True


def a_reason(text: str) -> str:
    try:
        return p.reason(text)
    except Invalid:
        return ""


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
name = text.filter(a_name)
reason = st.one_of(
    text,
    st.lists(st.sampled_from(["Muster-Actor: root", "Muster-Time: never", "", " ", "x"]), max_size=8).map(
        "\n".join
    ),
).map(a_reason)
entries = st.builds(
    Entry,
    kind=st.sampled_from(["register", "deploy", "note", "observe", "deploy-failed"]),
    subject=st.one_of(name, name.map(lambda n: f"Update model iris_v1: {n}"), st.just("Muster-Actor: root")),
    reason=reason,
    actor=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,20}", fullmatch=True),
    auth=st.sampled_from(["none", "token", "oidc", "import"]),
    time=st.integers(-(10**15), 10**16).map(lambda us: WHEN + timedelta(microseconds=us)),
    model=st.none() | name,
    number=st.none() | st.integers(1, 10**9),
    environment=st.none() | st.just("production"),
    also=st.lists(st.integers(1, 10**9), max_size=4).map(tuple),
    deployed=st.none() | st.just("none") | st.integers(1, 99).map(str),
    request=st.none() | st.tuples(name, st.just("0" * 64)),
    observed=st.none() | st.just("ready"),
    instance=st.none() | name,
    digest=st.none() | st.just("f" * 64),
)


class TestMessages:
    @given(entries)
    @settings(deadline=None)
    @example(replace(entry, reason=FORGED))
    @example(replace(entry, reason="Muster-Actor: root"))
    @example(replace(entry, subject="Muster-Actor: root"))
    @example(replace(entry, reason="a\n\n\n\nb"))
    @example(replace(entry, model="a: b", request=("a b: c", "0" * 64)))
    @example(replace(entry, model="Muster-Actor: root"))
    def test_what_one_says_comes_back(self, entry: Entry) -> None:
        assert parse(compose(entry)) == entry

    @given(entries)
    @settings(deadline=None)
    def test_the_trailers_are_the_last_paragraph(self, entry: Entry) -> None:
        *_, last = compose(entry).rstrip("\n").split("\n\n")
        assert all(line.startswith("Muster-") for line in last.split("\n"))
        assert last.count("Muster-Actor: ") == 1

    def test_a_reason_cannot_forge_the_actor(self) -> None:
        said = parse(compose(replace(entry, reason=FORGED)))
        assert (said.actor, said.auth, said.kind) == ("ada", "none", "deploy")
        assert said.reason == FORGED

    def test_one_reads_as_the_format_says(self) -> None:
        said = replace(
            entry,
            reason="Better recall on long reviews.",
            environment="production",
            also=(2,),
            deployed="1",
            request=("key 1", "0" * 64),
        )
        assert compose(said) == (
            "Deploy iris v1 to production\n"
            "\n"
            "Better recall on long reviews.\n"
            "\n"
            "Muster-Change: deploy\n"
            "Muster-Model: iris\n"
            "Muster-Version: 1\n"
            "Muster-Also: 2\n"
            "Muster-Environment: production\n"
            "Muster-Deployed: 1\n"
            "Muster-Actor: ada\n"
            "Muster-Auth: none\n"
            "Muster-Time: 2026-11-24T09:00:14.000123Z\n"
            f"Muster-Request: key 1 {'0' * 64}\n"
        )

    @pytest.mark.parametrize(
        "foreign",
        [
            "",
            "Fix a typo\n",
            "Fix a typo\n\nSigned-off-by: someone\n",
            "Fix\n\nMuster-Change: note\n",
            "Fix\n\nMuster-Change: note\nMuster-Actor: a\nMuster-Auth: none\nMuster-Time: yesterday\n",
            compose(entry).replace("Muster-Version: 1", "Muster-Version: one"),
            compose(entry) + "Signed-off-by: someone\n",
            compose(entry) + "\nSigned-off-by: someone\n",
            compose(entry).replace("000123Z", "000123"),
        ],
    )
    def test_what_muster_did_not_write_is_not_believed(self, foreign: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            parse(foreign)

    def test_times_are_utc_with_microseconds_and_sort_as_text(self) -> None:
        assert rfc3339(WHEN.astimezone(timezone(timedelta(hours=5)))) == "2026-11-24T09:00:14.000123Z"
        assert rfc3339(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000000Z"

    @pytest.mark.parametrize("kind", ["note", "observe", "deploy-failed", "alias"])
    def test_words_about_a_version_do_not_update_it(self, kind: str) -> None:
        assert not replace(entry, kind=kind).touches_record
        assert entry.touches_record
