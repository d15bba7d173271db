r"""
The frames of a segment file and of its blob file, and how to find the next good one behind damage.

    segment := "BWSEG01\n" frame*
    frame   := u32 length | u32 crc32(body) | body          body := u8 kind | payload, 1 <= length <= 65,536
    blob    := u32 length | u32 crc32(ciphertext) | ciphertext

The checksum is for torn writes, not for security: that is the tree's part.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple
from zlib import crc32

MAGIC = b"BWSEG01\n"

BODY_BYTES_MAX = 65_536
"""One byte of kind and the 65,535 bytes that an entry bundle of tlog-tiles can carry."""

_HEAD = struct.Struct(">II")
HEAD_BYTES = _HEAD.size
_STAND = struct.Struct(">Q32s")
_SEAL = struct.Struct(">Q32s32s")
SEAL_BYTES = HEAD_BYTES + 1 + _SEAL.size
COMMIT_BYTES = HEAD_BYTES + 1 + _STAND.size


class Kind(IntEnum):
    """
    What a frame holds.
    """

    ENTRY = 1
    COMMIT = 2
    NOTE = 3
    SEAL = 4


_KINDS = {int(kind): kind for kind in Kind}
_KIND_BYTES = {kind: bytes((kind,)) for kind in Kind}


class Frame(NamedTuple):
    """
    One whole frame and where it stands in its file; a tuple, because a verification makes millions.
    """

    kind: Kind
    payload: bytes
    offset: int
    end: int


@dataclass(frozen=True, slots=True)
class Broken:
    """
    Bytes that are no frame, and why.
    """

    offset: int
    why: str


def frame(kind: Kind, payload: bytes) -> bytes:
    """
    Return the bytes of one frame.
    """
    body = _KIND_BYTES[kind] + payload
    return _HEAD.pack(len(body), crc32(body)) + body


def commit_frame(size: int, root: bytes) -> bytes:
    """
    Return the frame that ends a batch.
    """
    return frame(Kind.COMMIT, _STAND.pack(size, root))


def seal_frame(size: int, root: bytes, digest: bytes) -> bytes:
    """
    Return the frame that ends a segment; `digest` is the SHA-256 of all of the file before it.
    """
    return frame(Kind.SEAL, _SEAL.pack(size, root, digest))


def read_stand(payload: bytes) -> tuple[int, bytes] | None:
    """
    Return what a COMMIT or SEAL payload says of the tree: its size and root, or None where it is too short.
    """
    if len(payload) < _STAND.size:
        return None
    size, root = _STAND.unpack_from(payload)
    return size, root


def read_digest(payload: bytes) -> bytes:
    """
    Return the digest of the file that a SEAL payload carries.
    """
    return payload[_STAND.size :]


def body_at(data: bytes, offset: int) -> bytes | Broken:
    """
    Return the body of the frame that begins at an offset: its kind in one byte, and its payload.
    """
    if len(data) - offset < HEAD_BYTES:
        return Broken(offset, "the head of a frame is cut off")
    length, checksum = _HEAD.unpack_from(data, offset)
    if not 1 <= length <= BODY_BYTES_MAX:
        return Broken(offset, "a frame's length is impossible")
    start, end = offset + HEAD_BYTES, offset + HEAD_BYTES + length
    if end > len(data):
        return Broken(offset, "a frame is cut off")
    body = data[start:end]
    if crc32(body) != checksum:
        return Broken(offset, "a frame's checksum does not match")
    if body[0] not in _KINDS:
        return Broken(offset, "a frame's kind is unknown")
    return body


def frame_at(data: bytes, offset: int) -> Frame | Broken:
    """
    Return the frame that begins at an offset.
    """
    body = body_at(data, offset)
    if isinstance(body, Broken):
        return body
    return Frame(_KINDS[body[0]], body[1:], offset, offset + HEAD_BYTES + len(body))


def salvage(data: bytes, offset: int) -> Iterator[Frame]:
    """
    Yield every whole frame from an offset on, looking for the next one byte by byte behind damage.
    """
    while offset < len(data) - HEAD_BYTES:
        found = frame_at(data, offset)
        if isinstance(found, Frame):
            yield found
            offset = found.end
        else:
            found_head = _HEAD_LIKE.search(data, offset + 1)
            if found_head is None:
                return
            offset = found_head.start()


# A length of 1 to 65,536 in four bytes: a run of zeros, as a file system leaves behind, holds none.
_HEAD_LIKE = re.compile(rb"\x00(?:\x00(?!\x00\x00)|\x01\x00\x00)", re.DOTALL)


def find_commit(data: bytes, offset: int) -> Frame | None:
    """
    Return the first whole COMMIT or SEAL at or behind an offset.
    """
    return next((f for f in salvage(data, offset) if f.kind in {Kind.COMMIT, Kind.SEAL}), None)


def blob_frame(ciphertext: bytes) -> tuple[bytes, bytes]:
    """
    Return the head and the body of one blob, to be written one behind the other.
    """
    return _HEAD.pack(len(ciphertext), crc32(ciphertext)), ciphertext


def blob_at(data: bytes, offset: int, length: int) -> bytes | None:
    """
    Return the ciphertext of the blob at an offset, or None where head, length or checksum say otherwise.
    """
    if offset < 0 or len(data) < offset + HEAD_BYTES + length:
        return None
    stored, checksum = _HEAD.unpack_from(data, offset)
    ciphertext = data[offset + HEAD_BYTES : offset + HEAD_BYTES + length]
    return ciphertext if stored == length and crc32(ciphertext) == checksum else None
