"""Structured logs: readable on a terminal, JSON otherwise; every line carries the request's id."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import IO, Any, BinaryIO, TextIO, cast

import msgspec
import structlog


def configure(form: str, level: str) -> None:
    """Send the logs of the whole process to standard error; `form` is `auto`, `console` or `json`.

    Our own lines go there straight, since a request writes one; those of the
    libraries come through `logging` and look the same.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    last: list[structlog.typing.Processor]
    if console:
        # Without the values of variables: a request's credentials are among them.
        formatter = structlog.dev.RichTracebackFormatter(show_locals=False)
        last = [structlog.dev.ConsoleRenderer(exception_formatter=formatter)]
        factory: Any = structlog.PrintLoggerFactory(cast(TextIO, _Output(sys.stderr)))
    else:
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_encoded)]
        # Past the buffer, which would keep a line that the disk refused, and fail again with it.
        straight = getattr(sys.stderr.buffer, "raw", sys.stderr.buffer)
        factory = structlog.BytesLoggerFactory(cast(BinaryIO, _Output(straight)))
    structlog.configure(
        processors=[*shared, *last],
        logger_factory=factory,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    _configure_libraries([*shared, structlog.stdlib.ExtraAdder()], last, level, console=console)


def _configure_libraries(
    before: list[structlog.typing.Processor],
    last: list[structlog.typing.Processor],
    level: str,
    *,
    console: bool,
) -> None:
    """The same for whatever uses `logging`."""
    if not console:
        last = [*last[:-1], structlog.processors.JSONRenderer(ensure_ascii=False)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *before],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "litestar"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


class _Output:
    """Where our own lines go. One that it does not take is lost: on a full disk requests go on."""

    def __init__(self, to: IO[Any]) -> None:
        self._to = to

    def write(self, line: str | bytes) -> None:
        with suppress(OSError):
            self._to.write(line)

    def flush(self) -> None:
        with suppress(OSError):
            self._to.flush()


def _encoded(line: Any, **_: object) -> bytes:
    """A line as JSON; what JSON does not know as its text."""
    return msgspec.json.encode(line, enc_hook=str)
