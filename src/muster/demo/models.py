"""Classifiers of handwritten digits, of different quality, as ONNX files in folders of their own.

The digits are the 1,797 that come with scikit-learn: 8 × 8 pixels, 0 to 16 each.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

HELD_OUT: Final = 500
FEW: Final = 40
_SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Digit:
    """One picture, as its 64 pixels, and the digit that it shows."""

    pixels: list[float]
    shows: int


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a classifier was trained on; `file` holds it as CSV: a header, then 64 pixels and the digit."""

    file: Path
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class Trained:
    """A classifier: `folder` holds what is to be registered. `accuracy` was measured on held-out digits."""

    what: str
    folder: Path
    data: TrainingData
    accuracy: float


class Digits:
    """All digits, split the same way every time into those for training and those held out."""

    def __init__(self) -> None:
        every = load_digits()
        pictures = every.data.astype(np.float32)
        split = train_test_split(
            pictures, every.target, test_size=HELD_OUT, random_state=_SEED, stratify=every.target
        )
        self._train, self._test, self._train_shows, self._test_shows = split

    @property
    def held_out(self) -> list[Digit]:
        """Digits that no classifier has seen."""
        pairs = zip(self._test.tolist(), self._test_shows.tolist(), strict=True)
        return [Digit(pixels, shows) for pixels, shows in pairs]

    def weak(self, folder: Path) -> Trained:
        """A logistic regression that saw 40 digits."""
        return self._trained(
            f"Logistic regression on {FEW} digits", LogisticRegression(max_iter=500), FEW, folder
        )

    def better(self, folder: Path) -> Trained:
        """A random forest that saw every digit for training."""
        rows = len(self._train)
        forest = RandomForestClassifier(80, random_state=_SEED)
        return self._trained(f"Random forest on {rows:,} digits", forest, rows, folder)

    def _trained(self, what: str, classifier: Any, rows: int, folder: Path) -> Trained:
        pictures, shows = self._train[:rows], self._train_shows[:rows]
        classifier.fit(pictures, shows)
        graph = to_onnx(classifier, pictures[:1], options={"zipmap": False})
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(graph.SerializeToString())
        data = _written(pictures, shows, folder.with_suffix(".csv"))
        return Trained(what, folder, data, float(classifier.score(self._test, self._test_shows)))


def broken(whole: Trained, folder: Path) -> Trained:
    """`whole` as an upload that broke off leaves it: the first half of its file."""
    folder.mkdir(parents=True)
    graph = (whole.folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(graph[: len(graph) // 2])
    return Trained(f"{whole.what}, cut short", folder, whole.data, whole.accuracy)


def _written(pictures: Array, shows: Sequence[int], file: Path) -> TrainingData:
    rows = io.StringIO()
    header = ",".join([*(f"pixel_{at}" for at in range(pictures.shape[1])), "digit"])
    np.savetxt(rows, np.column_stack([pictures, shows]), fmt="%d", delimiter=",", header=header, comments="")
    content = rows.getvalue().encode()
    file.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return TrainingData(file, digest, len(pictures))
