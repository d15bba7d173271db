"""Slow callers: those that read an answer in small pieces with pauses, and those that never finish what they send."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
import zlib
from dataclasses import dataclass
from urllib.parse import urlsplit

# What a slow reader's socket holds: the rest stays with whoever sends.
BUFFER_BYTES = 32 << 10

PIECE_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class Read:
    """
    What came of one answer: its status, how many bytes of the body, and their checksum.
    """

    status: int
    size: int
    crc: int


async def connected(door: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """
    Connect with small buffers.
    """
    at = urlsplit(door)
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    sock.settimeout(0.0)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (at.hostname or "", at.port or 0))
    except BaseException:
        sock.close()
        raise
    return await asyncio.open_connection(sock=sock, limit=BUFFER_BYTES)


async def read_slowly(door: str, target: str, key: str, bytes_each: int, seconds: float) -> Read:
    """
    Ask for a stream and read it evenly over so many seconds, or as slowly as it comes.
    """
    at = urlsplit(door)
    reader, writer = await connected(door)
    try:
        head = f"GET {target} HTTP/1.1\r\nHost: {at.netloc}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        status = int((await reader.readline()).split(b" ")[1])
        while (await reader.readline()).strip():
            pass
        return await _body(reader, status, bytes_each, seconds)
    finally:
        writer.close()


async def _body(reader: asyncio.StreamReader, status: int, bytes_each: int, seconds: float) -> Read:
    began, size, crc = time.monotonic(), 0, 0
    while length := int(await reader.readline() or b"0", 16):
        left = length
        while left:
            piece = await reader.read(min(left, PIECE_BYTES))
            if not piece:
                return Read(status, size, crc)
            left, size, crc = left - len(piece), size + len(piece), zlib.crc32(piece, crc)
            # As far through the time as through the bytes.
            early = began + seconds * size / bytes_each - time.monotonic()
            if early > 0:
                await asyncio.sleep(early)
        await reader.readline()
    return Read(status, size, crc)


async def dripped(door: str, first: bytes, pause_s: float, kept: list[float]) -> None:
    """
    Send what a request begins with, then a byte after each pause and never its end; add how long that was borne.

    Where nothing is to be sent first, nothing is sent at all.
    """
    began = time.monotonic()
    reader, writer = await connected(door)
    try:
        writer.write(first)
        ended = asyncio.ensure_future(_ended(reader))
        try:
            while not (await asyncio.wait([ended], timeout=pause_s))[0]:
                if first:
                    writer.write(b"a")
        finally:
            ended.cancel()
        kept.append(time.monotonic() - began)
    finally:
        writer.close()


async def _ended(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(PIECE_BYTES):
            pass
