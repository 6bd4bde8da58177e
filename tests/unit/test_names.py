"""Names: taken exactly or refused clearly, and paths that every file system can hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from muster.domain import names
from muster.domain.errors import Invalid

Parser = Callable[[object], str]

WINDOWS = [
    *("con", "prn", "aux", "nul", "conin$", "conout$"),
    *(f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789"),
]
any_text = st.text(max_size=300)
awkward = st.one_of(
    any_text,
    st.text(alphabet="aAbB.~% -_", min_size=1, max_size=8),
    st.text(alphabet="éÉßſİıK", min_size=1, max_size=8),
    st.sampled_from([*WINDOWS, "..", ".", "...", ".git", "a" * 256, "é" * 256, "A" * 256]),
)


def accepted(parse: Parser, value: object) -> str | None:
    """What `parse` makes of `value`; None if it is refused."""
    try:
        return parse(value)
    except Invalid:
        return None


class TestNames:
    @pytest.mark.parametrize("parse", [names.model_name, names.version_label, names.alias_name])
    @pytest.mark.parametrize(
        "name",
        [
            *(
                "v1.0",
                "a b",
                "100%",
                "it's",
                'say "hi"',
                "naïve",
                "模型",
                "🙂‍↔️",
                "a..b",
                ".hidden",
                "~",
                "-x",
            ),
            *("CON", "x" * 256, "é" * 256, "a\\b", "<b>", "'; DROP TABLE models; --", "%2e%2e"),
        ],
    )
    def test_unusual_ones_are_kept_exactly(self, parse: Parser, name: str) -> None:
        assert parse(name) == name

    @pytest.mark.parametrize("parse", [names.model_name, names.version_label, names.alias_name])
    @pytest.mark.parametrize(
        "name",
        [
            *("", ".", "..", "a/b", "/", "../x", "a\0b", "a\nb", "a\x7fb", "a\x85b", "a\u2028b", "\ud800"),
            *(" a", "a ", "\u00a0a", "a\u202eb", "\ufeffa", "x" * 257),
            *(None, 7, True, b"a", ["a"], {"a": 1}),
        ],
    )
    def test_bad_ones_are_refused(self, parse: Parser, name: object) -> None:
        with pytest.raises(Invalid) as refused:
            parse(name)
        assert refused.value.problems[0].rule.startswith("must ")

    @pytest.mark.parametrize("parse", [names.version_label, names.alias_name])
    @pytest.mark.parametrize("sign", "/@:")
    def test_a_label_holds_no_sign_of_a_reference(self, parse: Parser, sign: str) -> None:
        with pytest.raises(Invalid, match="must not hold"):
            parse(f"v{sign}1")

    def test_a_refusal_names_field_value_and_rule(self) -> None:
        with pytest.raises(Invalid) as refused:
            names.model_name("x" * 300, "body.name")
        (problem,) = refused.value.problems
        assert problem.field == "body.name"
        assert problem.value.startswith("'xxx")
        assert len(problem.value) <= 80
        assert problem.rule == "must be at most 256 characters (it has 300)"

    @given(awkward)
    @settings(deadline=None)
    def test_what_is_accepted_is_not_changed(self, text: str) -> None:
        for parse in (names.model_name, names.version_label, names.alias_name):
            assert accepted(parse, text) in (text, None)

    @pytest.mark.parametrize("name", ["production", "eu-west_1", "a", "x" * 63])
    def test_an_environment_has_a_simple_name(self, name: str) -> None:
        assert names.environment_name(name) == name

    @pytest.mark.parametrize(
        "name", ["", "Prod", "1a", "-a", "a.b", "a/b", "..", "x" * 64, "con", "lpt1", "a\n", None, 1]
    )
    def test_other_names_of_environments_are_refused(self, name: object) -> None:
        with pytest.raises(Invalid):
            names.environment_name(name)

    @pytest.mark.parametrize("name", ["ada", "ada.l@example.org", "ci-bot+main", "0"])
    def test_an_actor_goes_by_an_id(self, name: str) -> None:
        assert names.actor_id(name) == name

    @pytest.mark.parametrize("name", ["", "Ada Lovelace", "<ada>", "ada\n", "-a", "ä", "x" * 129, None])
    def test_what_is_no_id_is_no_actor(self, name: object) -> None:
        with pytest.raises(Invalid):
            names.actor_id(name)

    def test_a_digest_is_64_hex_digits_with_or_without_its_kind(self) -> None:
        hexed = "0123456789abcdef" * 4
        assert names.digest(f"sha256:{hexed}") == names.digest(hexed.upper()) == hexed
        for bad in ("", hexed[1:], hexed + "0", "g" * 64, f"md5:{hexed}", f"{hexed}\n", None, 0):
            with pytest.raises(Invalid):
                names.digest(bad)

    def test_a_commit_is_40_hex_digits(self) -> None:
        assert names.commit_id("a" * 40) == "a" * 40
        for bad in ("A" * 40, "a" * 39, "a" * 41, "HEAD", f"{'a' * 40}\n", None):
            with pytest.raises(Invalid):
                names.commit_id(bad)


class TestSegments:
    @given(st.lists(awkward.filter(bool), unique=True, min_size=2, max_size=30))
    @settings(deadline=None)
    @example(["a", "A", "%41", "%61"])
    @example(["x" * 255 + "a", "x" * 255 + "b", "x" * 255 + "A", "x" * 200, "x" * 201])
    @example(["con", "CON", "%63on", "Con"])
    @example([".", "..", "%2E", "%2e", "%2E%2E"])
    @example(["é", "e\u0301", "É", "\u212b", "Å"])
    def test_two_names_never_share_one_even_where_case_is_folded(self, found: list[str]) -> None:
        valid = [
            name for name in found if accepted(names.model_name, name) is not None or name in (".", "..")
        ]
        segments = [names.segment(name).casefold() for name in valid]
        assert len(set(segments)) == len(valid)

    @given(awkward.filter(lambda name: accepted(names.model_name, name) is not None))
    @settings(deadline=None)
    def test_every_file_system_can_hold_it(self, name: str) -> None:
        segment = names.segment(name)
        assert 0 < len(segment) <= 200
        assert segment.isascii()
        assert not set(segment) & set('/\\<>:"|?* \0')
        assert segment not in (".", "..")
        assert segment[0] != "."
        assert segment[-1] != "."
        for stem in (segment, f"{segment}.json"):
            assert stem.split(".")[0] not in WINDOWS

    @given(awkward.filter(lambda name: accepted(names.model_name, name) is not None))
    @settings(deadline=None)
    def test_a_path_stays_where_it_belongs(self, name: str) -> None:
        for path in (
            names.model_path(name),
            names.card_path(name),
            names.version_path(name, 3),
            names.deployment_path("production", name),
        ):
            parts = path.split("/")
            assert parts[0] in ("models", "deployments")
            assert not {"", ".", "..", ".git"} & set(parts)
            assert all(len(part.encode()) <= 255 for part in parts)

    @pytest.mark.parametrize(
        ("name", "segment"),
        [
            ("sentiment_classifier", "sentiment_classifier"),
            ("GPT", "%47%50%54"),
            ("a b", "a%20b"),
            ("100%", "100%25"),
            (".hidden.", "%2Ehidden%2E"),
            ("...", "%2E.%2E"),
            ("é", "%C3%A9"),
            ("nul", "%6Eul"),
            ("aux.v1", "%61ux.v1"),
            ("COM1", "%43%4F%4D1"),
            ("console", "console"),
            ("a~b", "a%7Eb"),
        ],
    )
    def test_they_are_what_the_format_says(self, name: str, segment: str) -> None:
        assert names.segment(name) == segment

    def test_a_long_one_is_cut_and_gets_its_digest(self) -> None:
        assert names.segment("x" * 200) == "x" * 200
        assert names.segment("x" * 201) == "x" * 183 + "~84a0678c90937f5d"

    def test_records_lie_where_the_format_says(self) -> None:
        assert names.model_path("iris") == "models/47/iris/model.json"
        assert names.card_path("iris") == "models/47/iris/card.md"
        assert names.version_path("iris", 12) == "models/47/iris/versions/12/version.json"
        assert names.file_path("iris", 1, "onnx/M odel") == "models/47/iris/versions/1/files/onnx/M odel"
        assert names.deployment_path("production", "iris") == "deployments/production/47/iris.json"
        assert names.environment_path("production") == "environments/production.json"


class TestArtifactPaths:
    @pytest.mark.parametrize(
        "path",
        [
            *("model.onnx", "a/b/c.bin", "with space.txt", "Größe.npy", "模型/权重.bin", "a..b", ".hidden/x"),
            *("100%.txt", "it's", "~x", "console.log", "git/x", "x" * 255, "a/" * 30 + "a", "👩‍🔬.txt"),
        ],
    )
    def test_ordinary_ones_are_kept_exactly(self, path: str) -> None:
        assert names.artifact_path(path) == path

    @pytest.mark.parametrize(
        "path",
        [
            *("", "/", "/etc/passwd", "a//b", "a/", ".", "..", "../x", "a/../b", "a/./b", "a\\b", "C:/x"),
            *(
                ".git",
                ".git/config",
                "a/.GIT/x",
                ".gitmodules",
                ".gitattributes",
                "a/.Git",
                "git~1",
                "GIT~2/x",
            ),
            *("．git/x", ".g\u200cit/x", ".gi\u200dt", ".git\u206f/x", ".\uff27it", ".git "),
            *(
                "nul",
                "a/CON.txt",
                "com1",
                "COM¹.txt",
                "lpt0.x",
                "a/prn",
                "x.",
                "x ",
                "a<b",
                "a|b",
                'a"b',
                "a?",
                "*",
            ),
            *("a\0b", "a\nb", "a\x1fb", "\ud800", "a\u202eb", "é" * 128, "x" * 256, "a/" * 512 + "b"),
            *(None, 1, b"x", ["x"]),
        ],
    )
    def test_what_some_clone_cannot_hold_is_refused(self, path: object) -> None:
        with pytest.raises(Invalid):
            names.artifact_path(path)

    @given(st.one_of(any_text, st.text(alphabet="./\\aG~git:", max_size=12)))
    @settings(deadline=None)
    def test_none_leads_outside(self, path: str) -> None:
        if accepted(names.artifact_path, path) is None:
            return
        parts = path.split("/")
        assert not {"", ".", ".."} & set(parts)
        assert not any(part.lower().startswith(".git") for part in parts)
        assert "\\" not in path


class TestReferences:
    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("iris/v1.0", ("iris", "version", "v1.0")),
            ("iris/3", ("iris", "version", "3")),
            ("iris@champion", ("iris", "alias", "champion")),
            ("iris:production", ("iris", "deployed", "production")),
            ("a@b/c", ("a@b", "version", "c")),
            ("a:b@c", ("a:b", "alias", "c")),
            ("a/b:c", ("a/b", "deployed", "c")),
        ],
    )
    def test_one_is_split_at_its_last_sign(self, text: str, parts: tuple[str, str, str]) -> None:
        assert names.Reference.parse(text) == names.Reference(*parts)

    @pytest.mark.parametrize("text", ["iris_v1", "", "@x", "x@", "/", ":"])
    def test_a_text_without_a_sign_between_is_none(self, text: str) -> None:
        assert names.Reference.parse(text) is None

    def test_a_version_without_a_label_goes_by_its_number(self) -> None:
        assert names.model_id("iris", None, 3) == "iris@3"
        assert names.model_id("iris", "v1.0", 3) == "iris_v1.0"
