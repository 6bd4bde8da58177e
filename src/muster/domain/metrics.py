"""Which way a metric is better, as far as its name says it."""

from __future__ import annotations

import re
from typing import Final, Literal

Better = Literal["higher", "lower"]

_LESS_IS_BETTER: Final = re.compile(
    r"loss|error|err\b|latency|duration|time|_ms\b|_s\b|mae\b|mse\b|perplexity|wer\b|cer\b|brier|bias",
    re.IGNORECASE,
)
_MORE_IS_BETTER: Final = re.compile(
    r"acc|auc|f1|precision|recall|r2\b|score|bleu|rouge|ndcg|map\b|iou|dice|coverage", re.IGNORECASE
)


def better(name: str) -> Better | None:
    """Whether the higher or the lower value is the better one; None for a metric that nobody knows."""
    if _LESS_IS_BETTER.search(name):
        return "lower"
    return "higher" if _MORE_IS_BETTER.search(name) else None
