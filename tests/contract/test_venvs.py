"""Environments of models: built once, shared, whole or not there. The index is on this machine."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import http.server
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from muster.domain.errors import DidNotStart, Unavailable
from muster.serving.runtimes import Packages
from muster.serving.venvs import Venvs, Wanted
from tests.serving import is_running, wait_for


def wheel(name: str, *requires: str) -> tuple[str, bytes]:
    """A package that holds one module, `name`."""
    info = f"{name}-1.0.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"]
    metadata += [f"Requires-Dist: {each}\n" for each in requires]
    files = {
        f"{name}.py": "here = True\n",
        f"{info}/METADATA": "".join(metadata),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(text)}\n")
    files[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"])
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return f"{name}-1.0-py3-none-any.whl", content.getvalue()


def source(name: str, ran: Path) -> tuple[str, bytes]:
    """A package that has to be built, and says so in the file `ran`."""
    text = f"open({str(ran)!r}, 'w').close()\nfrom setuptools import setup\nsetup(name={name!r})\n"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        member = tarfile.TarInfo(f"{name}-1.0/setup.py")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))
    return f"{name}-1.0.tar.gz", content.getvalue()


class Index:
    """A package index on the loopback interface. Asked for `held`, it keeps pip waiting until `go` is set."""

    def __init__(self) -> None:
        self.files = dict([wheel("small"), wheel("large", "small"), wheel("held")])
        self.asked: list[str] = []
        self.waiting = threading.Event()
        self.go = threading.Event()
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append(self.path)
                name = self.path.strip("/").rsplit("/", 1)[-1]
                if self.path == "/simple/held/":
                    index.waiting.set()
                    index.go.wait(60)
                content = (
                    index.files.get(name)
                    or "".join(
                        f'<a href="/files/{file}">{file}</a>'
                        for file in index.files
                        if file.startswith(f"{name}-")
                    ).encode()
                )
                self.send_response(200 if content else 404)
                self.send_header(
                    "Content-Type", "text/html" if self.path.startswith("/simple") else "application/zip"
                )
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def environ(self) -> dict[str, str]:
        """What makes pip ask here and nowhere else."""
        url = f"http://127.0.0.1:{self._server.server_port}/simple/"
        return {
            "PATH": os.environ["PATH"],
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": url,
            "PIP_NO_CACHE_DIR": "1",
            "PIP_RETRIES": "0",
            "PIP_TARGET": "/nowhere",
            "SECRET": "not for packages",
        }

    def close(self) -> None:
        self.go.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def index() -> Iterator[Index]:
    index = Index()
    yield index
    index.close()


def venvs_at(folder: Path, index: Index, timeout_s: float = 100.0, keep_s: float = 1000.0) -> Venvs:
    return Venvs(folder / "venvs", index.environ(), timeout_s=timeout_s, keep_s=keep_s, worker={})


def wanted(*lines: str, wheels_only: bool = True, constraints: tuple[str, ...] = ()) -> Wanted:
    return Wanted(Packages(lines, constraints), wheels_only)


def get(venvs: Venvs, what: Wanted, told: list[str] | None = None) -> Path:
    return venvs.get(what, lambda _: None, (told if told is not None else []).append)


def left(folder: Path) -> list[str]:
    """What lies in the folder of environments, but for locks."""
    return sorted(path.name for path in (folder / "venvs").iterdir() if path.suffix != ".lock")


def imports(venv: Path, module: str) -> bool:
    command = (str(venv / "bin" / "python"), "-c", f"import {module}")
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_an_environment_holds_what_was_asked_for_and_nothing_of_the_servers(
    tmp_path: Path, index: Index
) -> None:
    told: list[str] = []
    venv = get(venvs_at(tmp_path, index), wanted("large"), told)
    assert imports(venv, "large")
    assert imports(venv, "small")
    assert not imports(venv, "numpy")
    assert "building it for Python" in told[0]
    assert "from 1 requirement;" in told[0]
    assert any("installing 2 packages" in sentence for sentence in told)
    assert re.search(r"built in \d+ s", told[-1])


def test_it_is_built_once_whoever_asks_and_built_anew_for_other_requirements(
    tmp_path: Path, index: Index
) -> None:
    told: list[str] = []
    first = venvs_at(tmp_path, index)
    venv = get(first, wanted("small"))
    index.asked.clear()
    assert get(first, wanted("small"), told) == venv
    assert get(venvs_at(tmp_path, index), wanted("small"), told) == venv
    assert (told, index.asked) == ([], [])
    others = [wanted("small==1.0"), wanted("small", wheels_only=False), wanted("small", constraints=("a<1",))]
    assert len({get(first, other) for other in others} | {venv}) == 4


def test_two_at_the_same_time_share_one_build(tmp_path: Path, index: Index) -> None:
    told: list[str] = []
    sites = [venvs_at(tmp_path, index) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(get, sites[0], wanted("held"))
        assert index.waiting.wait(60)
        two = pool.submit(get, sites[1], wanted("held"), told)
        wait_for(lambda: list(told), bool)
        index.go.set()
        assert one.result(60) == two.result(60)
    assert told == ["the Python environment: another deployment is building it; waiting for that"]
    assert index.asked.count("/simple/held/") == 1


def test_what_cannot_be_had_fails_with_what_pip_said_and_leaves_nothing(tmp_path: Path, index: Index) -> None:
    with pytest.raises(
        DidNotStart, match="cannot be built: No matching distribution found for nowhere"
    ) as failed:
        get(venvs_at(tmp_path, index), wanted("small", "nowhere"))
    assert "ERROR: Could not find a version that satisfies the requirement nowhere" in failed.value.output
    assert left(tmp_path) == []


def test_nothing_is_built_from_source_unless_code_may_run(tmp_path: Path, index: Index) -> None:
    ran = tmp_path / "ran"
    name, content = source("odd", ran)
    index.files[name] = content
    with pytest.raises(DidNotStart, match=r"Only wheels are installed .* allow_pickle"):
        get(venvs_at(tmp_path, index), wanted("odd"))
    assert not ran.exists()


def test_a_build_that_takes_too_long_is_ended(tmp_path: Path, index: Index) -> None:
    with pytest.raises(DidNotStart, match=r"not built within 10 s \(venv_timeout_s\)"):
        get(venvs_at(tmp_path, index, timeout_s=10), wanted("held"))
    assert left(tmp_path) == []


def test_closing_ends_a_build_and_leaves_nothing(tmp_path: Path, index: Index) -> None:
    venvs = venvs_at(tmp_path, index)
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(get, venvs, wanted("held"))
        assert index.waiting.wait(60)
        venvs.close()
        with pytest.raises(Unavailable, match="stopping"):
            building.result(60)
    assert left(tmp_path) == []
    with pytest.raises(Unavailable, match="stopping"):
        get(venvs, wanted("small"))


BUILDING = """
import json, sys
from pathlib import Path
from muster.serving.runtimes import Packages
from muster.serving.venvs import Venvs, Wanted

venvs = Venvs(Path(sys.argv[1]), json.loads(sys.argv[2]), timeout_s=100, keep_s=1000, worker={})
venvs.get(Wanted(Packages(("held",)), True), lambda _: None, lambda _: None)
"""


def test_a_build_that_was_killed_is_taken_for_nothing(tmp_path: Path, index: Index) -> None:
    argv = (
        sys.executable,
        "-c",
        textwrap.dedent(BUILDING),
        str(tmp_path / "venvs"),
        json.dumps(index.environ()),
    )
    with subprocess.Popen(argv) as process:
        assert index.waiting.wait(60)
        building = [pid for pid in processes_in(tmp_path) if pid != process.pid]
        process.send_signal(signal.SIGKILL)
    wait_for(lambda: [pid for pid in building if is_running(pid)], lambda running: not running)
    assert building, "pip ran, and has ended with its server"
    assert [name for name in left(tmp_path) if name.startswith("venv-")]
    index.go.set()
    venvs = venvs_at(tmp_path, index)
    assert imports(get(venvs, wanted("held")), "held")


def processes_in(folder: Path) -> list[int]:
    """The processes that name the folder in their command lines."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:  # it has just ended
                continue
            if str(folder).encode() in command:
                found.append(int(entry.name))
    return found


def test_what_nobody_used_for_long_is_removed_unless_a_worker_runs_in_it(
    tmp_path: Path, index: Index
) -> None:
    venvs = venvs_at(tmp_path, index)
    old, used = get(venvs, wanted("small")), get(venvs, wanted("small==1.0"))
    (tmp_path / "venvs" / "venv-half").mkdir()
    assert venvs.prune() == ["venv-half"]
    for venv in (old, used):
        os.utime(venv / "complete.json", (time.time() - 2000,) * 2)
    with venvs.lock(used).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert venvs.prune() == [old.name]
    assert venvs.prune() == [used.name]
