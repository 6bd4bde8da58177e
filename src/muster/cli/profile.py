"""The server that `muster login` remembers, in the user's own configuration folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from platformdirs import user_config_path


def file() -> Path:
    """Where it is kept."""
    return user_config_path("muster") / "profile.json"


def remembered() -> str | None:
    """The address of the server; None if there is none, or the file is not ours."""
    try:
        url = json.loads(file().read_text())["url"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url if isinstance(url, str) else None


def remember(url: str) -> None:
    """Keep the address; nobody else may read the file."""
    where = file()
    where.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = where.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump({"url": url}, out)
    fresh.replace(where)


def forget() -> bool:
    """Keep it no longer; whether there was one."""
    there = file().exists()
    file().unlink(missing_ok=True)
    return there
