"""Every command in the pages is run, in order, in an empty folder, and prints what the page says.

sh                a user's commands; one after the other must succeed
sh server         stays running to the end of the page
sh refused        must fail
text              after one of these: what it prints, `…` for what may differ
python            is run; with a file's name after it, it is saved under that name
toml, json NAME   is saved under that name

Port 5000 becomes a free one. `YOUR_DIR` and `NEXT_DIR` hold an ONNX model each.
`make` and `pip` are not run here (but what `make serve` does is); their targets and
packages are looked up.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.markdown import ROOT, Block, blocks, links, pages
from tests.serving import iris_onnx
from tests.terminal import BIN, Terminal, free_port

ELSEWHERE = re.compile(r"(make( [a-z]+)?|python3? -m pip install \S+|pip install \S+)( *#.*)?")
SAID = "@@ said"
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}  # nothing leaves this machine


def runs(block: Block) -> bool:
    if block.language != "sh" or "server" in block.words:
        return block.language in ("sh", "python", "toml", "json")
    return not all(ELSEWHERE.fullmatch(line) for line in block.text.splitlines() if line)


WITH_COMMANDS = [page for page in pages() if any(runs(block) for block in blocks(page))]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def needing(page: Path) -> ParameterSet:
    """The page, with the parts of the system that its commands use."""
    uses_lfs = any(block.language == "sh" and "git lfs" in block.text for block in blocks(page))
    return pytest.param(page, id=name_of(page), marks=[pytest.mark.needs("git-lfs")] if uses_lfs else [])


@pytest.mark.parametrize("page", [needing(page) for page in WITH_COMMANDS])
def test_the_commands_of_a_page_do_what_it_says(page: Path, tmp_path: Path) -> None:
    for folder, fit in (("YOUR_DIR", 1.0), ("NEXT_DIR", 0.1)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.onnx").write_bytes(iris_onnx(fit))
    (tmp_path / ".venv").symlink_to(BIN.parent)
    port = free_port()
    script = "".join(steps(page, port))
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=Terminal(tmp_path).environment(MUSTER_PORT=str(port), COLUMNS="200", **QUIET),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{name_of(page)} (the last line marked @@ is where):\n{done.stdout}"
    printed = done.stdout.replace(str(port), "5000").split(SAID)
    for block, before in expectations(page):
        said = next(part for part in printed if part.startswith(f" {before.line}\n"))
        compare(block.text, said, f"{name_of(page)}:{block.line}")


def steps(page: Path, port: int) -> Iterator[str]:
    """The script that does what a reader of the page does."""
    yield "set -eo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n"
    for block in blocks(page):
        if not runs(block):
            continue
        text = block.text.replace("5000", str(port))
        yield f"echo '{SAID} {block.line}'\n"
        match block.language, block.words:
            case "sh", ("server",):
                yield f"{text.strip().replace('make serve', 'muster serve')} > server.log 2>&1 &\n"
                yield f"curl -sf --retry 60 --retry-delay 1 --retry-connrefused http://127.0.0.1:{port}/readyz\n"
                yield "echo; cat server.log\n"
            case "sh", ("refused",):
                yield f"if ( {text} ); then echo 'it was not refused'; exit 1; fi\n"
            case "python", ():
                yield f"python - <<'END-OF-PAGE'\n{text}END-OF-PAGE\n"
            case _, (name,) if name != "demo":
                yield f"cat > {name} <<'END-OF-PAGE'\n{text}END-OF-PAGE\n"
            case _:
                yield text


def expectations(page: Path) -> Iterator[tuple[Block, Block]]:
    """Each `text` block and the block that is to print it."""
    before: Block | None = None
    for block in blocks(page):
        if block.language == "text" and before is not None and not block.words:
            yield block, before
        before = block if runs(block) else None


def compare(wanted: str, printed: str, where: str) -> None:
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    at = 0
    for line in (" ".join(line.split()) for line in wanted.splitlines()):
        if line in ("", "…"):
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in line.split("…")))
        at = next((n + 1 for n in range(at, len(lines)) if pattern.fullmatch(lines[n])), 0)
        assert at, f"{where}: not printed: {line}\n{printed}"


def test_a_make_command_in_a_page_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        line.split()[1]
        for page in pages()
        for block in blocks(page)
        if block.language == "sh"
        for line in block.text.splitlines()
        if line.startswith("make ")
    }
    assert named <= targets


def test_a_service_in_a_page_is_started_with_options_that_there_are(tmp_path: Path) -> None:
    units = [block.text for page in pages() for block in blocks(page) if block.language == "ini"]
    assert units
    for program, *options in (shlex.split(line) for line in re.findall(r"ExecStart=(.+)", "".join(units))):
        Terminal(tmp_path).run(Path(program).name, *options, "--help")
        Terminal(tmp_path).run(Path(program).name, *options, "--no-such-option", "--help", exit_code=2)


def test_a_package_in_a_page_is_ours() -> None:
    for page in pages():
        for package in re.findall(r"pip install (\S+)", page.read_text()):
            assert package.strip("'\"`").split("[")[0] == "muster-registry", name_of(page)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_a_link_in_a_page_leads_somewhere(page: Path) -> None:
    for target in links(page):
        if not target.startswith(("http://", "https://", "#")):
            assert (page.parent / target.split("#")[0]).exists(), target
