"""The server that `muster login` remembers, in the user's own configuration folder."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_config_path


def file() -> Path:
    """Where it is kept."""
    return user_config_path("muster") / "profile.json"


@dataclass(frozen=True, slots=True)
class Profile:
    """A server, and the token for it, if it took one."""

    url: str
    token: str | None = None


def remembered() -> Profile | None:
    """What is kept; None if there is nothing, or the file is not ours."""
    try:
        said = json.loads(file().read_text())
        url, token = said["url"], said.get("token")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Profile(url, token if isinstance(token, str) else None) if isinstance(url, str) else None


def remember(url: str, token: str | None = None) -> None:
    """Keep address and token; nobody else may read the file."""
    where = file()
    where.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = where.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump({"url": url} | ({"token": token} if token else {}), out)
    fresh.replace(where)


def forget() -> bool:
    """Keep it no longer; whether there was one."""
    there = file().exists()
    file().unlink(missing_ok=True)
    return there
