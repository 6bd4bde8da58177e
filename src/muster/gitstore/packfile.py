"""Objects → one pack and its index, as bytes.

The formats are Git's own: gitformat-pack(5), "pack-*.pack files have the following
format" (version 2) and "Version 2 pack-*.idx files". A pack made here stands
alone: a delta's base is always in the same pack.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate

MAX_CHAIN = 24  # deltas upon deltas; reading the last one inflates them all
MAX_PACK_BYTES = 2**31 - 1  # beyond it an index needs its table of 8-byte offsets

_OFS_DELTA = 6

# A compressor's memory is cleared each time, which for zlib's usual 256 KiB costs
# eight times as long as compressing a record does: 60 us against 7.
_WINDOW_BITS = 12
_MEMORY_LEVEL = 5


class Kind(IntEnum):
    """What an object is, by its number in a pack."""

    COMMIT = 1
    TREE = 2
    BLOB = 3


_HEADERS = {Kind.COMMIT: b"commit %d\0", Kind.TREE: b"tree %d\0", Kind.BLOB: b"blob %d\0"}


def object_id(kind: Kind, content: bytes) -> bytes:
    """The id Git gives to that object: 20 bytes."""
    digest = hashlib.sha1(_HEADERS[kind] % len(content), usedforsecurity=False)
    digest.update(content)
    return digest.digest()


class Delta:
    """How one object is made from another: gitformat-pack(5), "Deltified representation"."""

    __slots__ = ("_base_size", "_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._base_size = 0
        self._size = 0

    def copy(self, size: int) -> None:
        """Take the next `size` bytes of the base."""
        offset, end = self._base_size, self._base_size + size
        while offset < end:
            step = min(end - offset, 0xFFFFFF)
            self._parts.append(_copy_instruction(offset, step))
            offset += step
        self._base_size = end
        self._size += size

    def skip(self, size: int) -> None:
        """Leave out the next `size` bytes of the base."""
        self._base_size += size

    def insert(self, content: bytes) -> None:
        """Put bytes in that are not in the base."""
        for start in range(0, len(content), 127):
            step = content[start : start + 127]
            self._parts.append(bytes((len(step),)) + step)
        self._size += len(content)

    def encoded(self) -> bytes:
        """The delta; all of the base must have been copied or skipped."""
        return b"".join((_varint(self._base_size), _varint(self._size), *self._parts))


@dataclass(frozen=True, slots=True)
class Packed:
    """A finished pack: `name` is the hex checksum in its file names."""

    name: str
    pack: bytes
    idx: bytes


class Pack:
    """Collects objects; each is stored once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = [b""]  # the first is the header, known at the end
        self._size = 12
        self._entries: dict[bytes, tuple[int, int]] = {}  # id → offset, crc32
        self._chains: dict[bytes, int] = {}  # id → how many deltas it stands on

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, kind: Kind, content: bytes, base: bytes | None = None, delta: Delta | None = None) -> bytes:
        """The object's id. `delta` (from `base`) is used if it helps and `base` is in this pack.

        Raises:
            OverflowError: the pack would pass 2 GiB.
        """
        name = object_id(kind, content)
        if name in self._entries:
            return name
        chain = self._chains.get(base, -1) + 1 if base is not None and delta is not None else 0
        if delta is not None and base is not None and 0 < chain <= MAX_CHAIN:
            body = delta.encoded()
            if len(body) < len(content):
                distance = _distance(self._size - self._entries[base][0])
                self._append(name, _entry_header(_OFS_DELTA, len(body)) + distance + _deflate(body, 1), chain)
                return name
        # A tree is mostly ids, which do not compress: trying takes longer than all the rest.
        level = 0 if kind is Kind.TREE else 1
        self._append(name, _entry_header(kind, len(content)) + _deflate(content, level), 0)
        return name

    def _append(self, name: bytes, entry: bytes, chain: int) -> None:
        if self._size + len(entry) > MAX_PACK_BYTES:
            raise OverflowError("a pack holds at most 2 GiB")
        self._entries[name] = (self._size, zlib.crc32(entry))
        self._chains[name] = chain
        self._parts.append(entry)
        self._size += len(entry)

    def finished(self) -> Packed:
        """The pack and its index."""
        self._parts[0] = struct.pack(">4sII", b"PACK", 2, len(self._entries))
        body = b"".join(self._parts)
        checksum = hashlib.sha1(body, usedforsecurity=False).digest()
        return Packed(checksum.hex(), body + checksum, self._index(checksum))

    def _index(self, checksum: bytes) -> bytes:
        names = sorted(self._entries)
        places = [self._entries[name] for name in names]
        count = len(names)
        first = [0] * 256
        for name in names:
            first[name[0]] += 1
        body = b"".join(
            (
                b"\377tOc" + struct.pack(">I", 2),
                struct.pack(">256I", *accumulate(first)),
                *names,
                struct.pack(f">{count}I", *(crc for _, crc in places)),
                struct.pack(f">{count}I", *(offset for offset, _ in places)),
                checksum,
            )
        )
        return body + hashlib.sha1(body, usedforsecurity=False).digest()


def _deflate(content: bytes, level: int) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL)
    return compressor.compress(content) + compressor.flush()


def _varint(number: int) -> bytes:
    """Seven bits a byte, lowest first, the top bit set on all but the last."""
    out = bytearray()
    while number > 127:
        out.append(0x80 | number & 0x7F)
        number >>= 7
    out.append(number)
    return bytes(out)


def _entry_header(kind: int, size: int) -> bytes:
    """Kind and four bits of the size, then the rest of it as a varint."""
    first = kind << 4 | size & 0x0F
    size >>= 4
    return bytes((0x80 | first,)) + _varint(size) if size else bytes((first,))


def _distance(back: int) -> bytes:
    """How far back a delta's base begins: highest bits first; a longer form begins where a shorter ends."""
    out = [back & 0x7F]
    back >>= 7
    while back:
        back -= 1
        out.append(0x80 | back & 0x7F)
        back >>= 7
    return bytes(reversed(out))


def _copy_instruction(offset: int, size: int) -> bytes:
    """Only the bytes of offset and size that are not zero are there; the first byte says which."""
    flags, out = 0x80, bytearray()
    for bit in range(7):
        byte = offset >> 8 * bit & 0xFF if bit < 4 else size >> 8 * (bit - 4) & 0xFF
        if byte:
            flags |= 1 << bit
            out.append(byte)
    return bytes((flags,)) + bytes(out)
