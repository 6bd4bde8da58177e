"""Records as `/api/v1` answers them, now or as they were."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from muster.domain.errors import NotFound
from muster.http.answers import Answer, conditional, encoded, listed, of_write
from muster.http.paging import cursor, place
from muster.http.services import Services
from muster.service.registry import change_view
from muster.service.submissions import Recorded
from muster.service.values import ChangeFilter, Found


def version_answer(services: Services, created: int = 200) -> Callable[[Recorded], Answer[Any]]:
    """The answer to a write about a version: its record, with status `created` if the write made a commit."""

    def answer(recorded: Recorded) -> Answer[Any]:
        assert recorded.model is not None
        assert recorded.number is not None
        status = created if recorded.commit else 200
        if recorded.repeated and recorded.logged is not None:
            record = services.past.version_record(recorded.logged, recorded.model, recorded.number)
            return of_write(record, recorded, status, recorded.logged.commit)
        found = services.registry.numbered(recorded.model, recorded.number)
        return of_write(found.document, recorded, status, found.touched)

    return answer


def model_answer(services: Services, created: int = 200) -> Callable[[Recorded], Answer[Any]]:
    """The answer to a write about a model: its record."""

    def answer(recorded: Recorded) -> Answer[Any]:
        assert recorded.model is not None
        status = created if recorded.commit else 200
        if recorded.repeated and recorded.logged is not None:
            record = services.past.model_record(recorded.logged, recorded.model)
            return of_write(record, recorded, status, recorded.logged.commit)
        record, touched = services.registry.model(recorded.model)
        return of_write(record, recorded, status, touched)

    return answer


def shown(services: Services, found: Found) -> tuple[bytes, str]:
    """A version's record with its flags, if it has any, and the tag that stands for both."""
    [(document, tag)] = all_shown(services, [found])
    return document, tag


def all_shown(services: Services, found: Sequence[Found]) -> Iterator[tuple[bytes, str]]:
    """The same for several."""
    flags = services.registry.flags.of([each.sequence for each in found])
    for each in found:
        if not (flagged := flags.get(each.sequence)):
            yield each.document, each.touched
            continue
        told = encoded([flag.view() for flag in flagged])
        document = b'%b,"flags":%b}' % (each.document[:-1], told)
        yield document, f"{each.touched}-{hashlib.sha256(told).hexdigest()[:8]}"


def version_read(
    services: Services, place: tuple[str, int], at: str | None, if_none_match: str | None
) -> Answer[Any]:
    """A version's record, now or at a time or commit. Raises NotFound and Invalid."""
    if at is None:
        return conditional(*shown(services, services.registry.numbered(*place)), if_none_match)
    moment = services.past.at(at)
    record = services.past.version_record(moment, *place)
    return Answer(encoded(record), headers={"muster-head": moment.commit})


def model_read(services: Services, name: str, at: str | None, if_none_match: str | None) -> Answer[Any]:
    """A model's record, now or at a time or commit. Raises NotFound and Invalid."""
    if at is None:
        record, touched = services.registry.model(name)
        return conditional(encoded(record), touched, if_none_match)
    moment = services.past.at(at)
    return Answer(encoded(services.past.model_record(moment, name)), headers={"muster-head": moment.commit})


def place_then(services: Services, at: str, model: str, version: str) -> tuple[str, int]:
    """Model and number of what `version` (a label or a number) of `model` meant at a time or commit."""
    moment = services.past.at(at)
    found, number = services.past.locate(moment, f"{model}/{version}")
    if found != model:
        raise NotFound("version", f"{model}/{version}")
    return found, number


def changes_page(
    services: Services,
    wanted: ChangeFilter,
    after: str | None,
    limit: int,
    before: Callable[[], dict[str, Any] | None] = lambda: None,
) -> bytes:
    """A page of the change log, newest first, and how many changes match in all.

    The last page also says what `before` gives, of the time before the first of them.
    """
    index = services.registry.index
    found = index.changes(wanted, before=place(after, 0) or None, limit=limit + 1)
    more = cursor(found[limit - 1].position) if len(found) > limit else None
    shown = (encoded(change_view(each)) for each in found[:limit])
    page = listed(shown, index.count_changes(wanted), more)
    told = before() if more is None else None
    return page if told is None else b'%b,"before":%b}' % (page[:-1], encoded(told))
