"""The real `git` and `git-lfs` get records, pointers and files out of a plain clone of the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from muster.artifacts.disk import DiskStore
from muster.domain import lfs
from muster.domain.names import file_path, version_path
from muster.gitstore.repository import Repository
from muster.gitstore.store import GitStore
from tests.repositories import git, published

WEIGHTS = b"\0weights" * 5000
LABELS = b"cat\ndog\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A registry with one version that has two files."""
    home = tmp_path / "registry.git"
    store = GitStore(Repository(home))
    files = DiskStore(home / "lfs")
    weights, labels = files.put([WEIGHTS]), files.put([LABELS])
    published(
        store,
        {
            ".gitattributes": lfs.ATTRIBUTES,
            ".lfsconfig": lfs.CONFIG,
            version_path("pets", 1): b"{}\n",
            file_path("pets", 1, "model.onnx"): lfs.pointer(weights.sha256, weights.size),
            file_path("pets", 1, "extra/labels of pets.txt"): lfs.pointer(labels.sha256, labels.size),
        },
    )
    return home


@pytest.mark.needs("git-lfs")
def test_a_clone_gets_the_files_it_asks_for(home: Path, tmp_path: Path) -> None:
    git(tmp_path, "lfs", "install")
    git(tmp_path, "clone", "-q", str(home), "clone")
    clone = tmp_path / "clone"
    model = clone / file_path("pets", 1, "model.onnx")
    labels = clone / file_path("pets", 1, "extra/labels of pets.txt")
    assert (clone / version_path("pets", 1)).read_bytes() == b"{}\n"
    assert lfs.parse_pointer(model.read_bytes())[1] == len(WEIGHTS)

    git(clone, "lfs", "pull", "-I", file_path("pets", 1, "model.onnx"), "-X", "", home=tmp_path)
    assert model.read_bytes() == WEIGHTS
    assert lfs.parse_pointer(labels.read_bytes())[1] == len(LABELS)

    git(clone, "lfs", "pull", "-X", "", home=tmp_path)
    assert labels.read_bytes() == LABELS
    assert git(clone, "status", "--porcelain", home=tmp_path) == b""


def test_a_clone_without_git_lfs_has_records_and_pointers(home: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "-c", "filter.lfs.required=false", str(home), "clone")
    pointer = tmp_path / "clone" / file_path("pets", 1, "model.onnx")
    assert lfs.parse_pointer(pointer.read_bytes())[1] == len(WEIGHTS)
