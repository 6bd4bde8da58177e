"""Pointers as Git LFS writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain.errors import Invalid
from muster.domain.lfs import parse_pointer, pointer

SHA = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"


def test_a_pointer_is_the_one_of_the_specification() -> None:
    expected = f"version https://git-lfs.github.com/spec/v1\noid sha256:{SHA}\nsize 12345\n"
    assert pointer(SHA, 12345) == expected.encode()


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**62))
def test_a_pointer_says_what_was_written(digest: bytes, size: int) -> None:
    assert parse_pointer(pointer(digest.hex(), size)) == (digest.hex(), size)


def test_extensions_are_passed_over() -> None:
    lines = pointer(SHA, 1).decode().splitlines(keepends=True)
    assert parse_pointer("".join([lines[0], "ext-0-foo sha256:12\n", *lines[1:]]).encode()) == (SHA, 1)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"weights",
        pointer(SHA, 1)[:-1],
        pointer(SHA, 1) + b"more\n",
        pointer(SHA.upper(), 1),
        pointer(SHA, 1).replace(b"size 1", b"size -1"),
        pointer(SHA, 1).replace(b"spec/v1", b"spec/v2"),
        b"x" * 5000,
    ],
)
def test_anything_else_is_no_pointer(content: bytes) -> None:
    with pytest.raises(Invalid, match="pointer"):
        parse_pointer(content)
