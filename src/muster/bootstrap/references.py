"""What a setting that says where a secret is leads to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from muster.domain.errors import Unavailable


def found(setting: str, reference: str, surroundings: Mapping[str, str]) -> str:
    """The secret, read anew, for it may have been replaced; "" without a reference.

    Raises:
        Unavailable: it is not there.
    """
    kind, _, where = reference.partition(":")
    if not reference:
        return ""
    if kind == "env":
        if where not in surroundings:
            raise Unavailable(f"{setting}: there is no environment variable {where}")
        return surroundings[where]
    try:
        return Path(where).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"{setting}: {where} cannot be read ({error})") from error
