"""What comes in a request's body: read up to a limit, and decoded."""

from __future__ import annotations

import msgspec

from muster.domain.errors import Invalid, TooLarge
from muster.http.services import Receive


async def read(receive: Receive, declared: str | None, limit: int) -> bytes:
    """The whole body.

    Raises:
        TooLarge: it is longer than `limit` bytes, or says that it is.
        Invalid: it ended early.
    """
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise TooLarge.one("body", f"{int(declared):,} bytes", f"must be at most {limit:,} bytes")
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Invalid.one("body", f"{size:,} bytes", "must be whole: the connection ended early")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLarge.one("body", f"more than {limit:,} bytes", f"must be at most {limit:,} bytes")
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


def decode(content: bytes) -> object:
    """The JSON in `content`; no content at all is an empty object.

    Raises:
        Invalid: it is no JSON in UTF-8, too deep, or holds NaN or Infinity.
    """
    if not content.strip():
        return {}
    try:
        decoded: object = msgspec.json.decode(content)
    except RecursionError:
        raise Invalid.one("body", "…", "must not be nested so deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        start = content[:60].decode(errors="replace")
        raise Invalid.one("body", start, f"must be JSON in UTF-8 ({reason})") from None
    return decoded
