"""Where a version comes from: the Git work tree, and the data set."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from muster.domain.errors import Invalid

CHUNK_BYTES: Final = 1024 * 1024
GIT_TIMEOUT_S: Final = 30


def work_tree(folder: str | Path = ".") -> dict[str, Any] | None:
    """`{repository, commit, dirty}` of the work tree that `folder` is in; None if it is in none.

    `repository` is the address of `origin` without credentials, left out if it is
    not one that others could use. `dirty` says that something was not committed.
    """
    commit = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    if not commit:
        return None
    found: dict[str, Any] = {"commit": commit}
    changed = _git(folder, "status", "--porcelain")
    found["dirty"] = bool(changed) if changed is not None else True
    origin = _git(folder, "config", "--get", "remote.origin.url")
    if origin and (address := public_address(origin)):
        found = {"repository": address} | found
    return found


def public_address(url: str) -> str | None:
    """The address of a repository without user, password, token or query; None for a folder's."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url):
        parts = urlsplit(url)
        if parts.scheme == "file" or not parts.hostname:
            return None
        host = parts.netloc.rpartition("@")[2]
        # With SSH the user name is part of the address, as in ssh://git@host/….
        user = f"{parts.username}@" if parts.scheme == "ssh" and parts.username else ""
        return urlunsplit((parts.scheme, user + host, parts.path, "", ""))
    # host:path, as in git@example.com:team/models.git; a folder has no colon before a slash.
    return url if re.match(r"[^/\s:]+:(?!\\)[^\s]+$", url) else None


def _git(folder: str | Path, *arguments: str) -> str | None:
    """What Git answers; None if it cannot."""
    environment = {
        "PATH": os.pathsep.join(os.get_exec_path()),
        "HOME": str(Path.home()),
        "LC_ALL": "C.UTF-8",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }
    # The work tree may be anybody's: its configuration must not name a program to run.
    quiet = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
    try:
        done = subprocess.run(
            ["git", *quiet, "-C", str(folder), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


def dataset(path: str | Path) -> dict[str, Any]:
    """`{name, sha256, rows}` of a data file, as `training_data` takes it.

    `rows` are the records of a `.csv` or `.tsv` file below its header, and the lines
    of a `.jsonl` or `.ndjson` file that are not blank; other files have none.

    Raises:
        Invalid: there is no such file.
    """
    file = Path(path)
    found: dict[str, Any] = {"name": file.name, "sha256": sha256_of(file)}
    if file.suffix.lower() in (".csv", ".tsv"):
        delimiter = "\t" if file.suffix.lower() == ".tsv" else ","
        with file.open(newline="", errors="replace") as lines:
            try:
                rows = sum(1 for row in csv.reader(lines, delimiter=delimiter) if row)
            except csv.Error:
                return found  # a table in name only: the digest still says which file it was
        found["rows"] = max(0, rows - 1)
    elif file.suffix.lower() in (".jsonl", ".ndjson"):
        with file.open("rb") as content:
            found["rows"] = sum(1 for line in content if line.strip())
    return found


def sha256_of(file: Path) -> str:
    """The sha256 of a file's bytes, in hex. Raises Invalid if it cannot be read."""
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise Invalid.one("file", str(file), f"must be a file that can be read ({error.strerror})") from error
