"""What people call a version."""

from __future__ import annotations

import msgspec

from muster.service.ports import IndexReads


class _Named(msgspec.Struct):
    """As much of a version's record as says how it is called."""

    version: str


_decoder = msgspec.json.Decoder(_Named)


def called(index: IndexReads, model: str, number: int | None) -> str:
    """The version's label, or its number if it has none; a deleted one goes by its number."""
    found = None if number is None else index.find_number(model, number)
    return str(number) if found is None else _decoder.decode(found.document).version
