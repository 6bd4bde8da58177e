"""All that a change has to pass, whichever door it came through."""

from __future__ import annotations

from typing import Final

from muster.calendars import FreezeCalendar
from muster.domain import approvals, banning, break_glass, evaluations, evidence
from muster.domain.judging import Rules
from muster.domain.protecting import EnvironmentJudge
from muster.domain.requirements import Cards
from muster.domain.requiring import Requiring
from muster.domain.rights import admit
from muster.domain.upholding import Upholding
from muster.policies.cel import Cel
from muster.required.schemas import JsonSchemas

CALENDAR: Final = FreezeCalendar()
EVALUATOR: Final = Cel()
SCHEMAS: Final = JsonSchemas()


def rules(cards: Cards) -> Rules:
    """Who may ask, then every judge."""
    return Rules(
        admit,
        judges=(
            banning.judge,
            evaluations.judge,
            EnvironmentJudge(CALENDAR),
            evidence.judge,
            Requiring(SCHEMAS, cards),
            approvals.judge,
            break_glass.judge,
            Upholding(EVALUATOR),
        ),
    )
