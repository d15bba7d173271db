"""What is read of a server: the same in whatever pieces it comes, and nothing that could fill the memory."""

from __future__ import annotations

import asyncio
import itertools
import tracemalloc
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Connection
from redis.exceptions import RedisError, ResponseError

from breakers.store import bounded
from breakers.store.bounded import Bounded

LEAVES = st.one_of(st.none(), st.binary(max_size=40), st.integers(-(2**63), 2**63 - 1))
REPLIES: st.SearchStrategy[Any] = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4), max_leaves=20)


def spelled(reply: Any) -> bytes:
    """
    Return an answer as a server sends it.
    """
    match reply:
        case None:
            return b"$-1\r\n"
        case bytes():
            return b"$%d\r\n%s\r\n" % (len(reply), reply)
        case int():
            return b":%d\r\n" % reply
        case _:
            return b"*%d\r\n" % len(reply) + b"".join(map(spelled, reply))


def depth(reply: Any) -> int:
    """
    Return how many lists stand in each other.
    """
    return 1 + max(map(depth, reply), default=0) if isinstance(reply, list) else 0


async def fed(*pieces: bytes) -> Any:
    """
    Return what is made of an answer that comes in these pieces, and ends there.
    """
    stream, parser = asyncio.StreamReader(), Bounded(65_536)
    parser.on_connect(SimpleNamespace(_reader=stream, encoder=Connection().encoder))  # type: ignore[no-untyped-call]
    reading = asyncio.ensure_future(parser.read_response())
    for piece in pieces:
        await asyncio.sleep(0)
        stream.feed_data(piece)
    stream.feed_eof()
    return await reading


@given(REPLIES, st.lists(st.integers(0, 400), max_size=8))
def test_any_pieces(reply: Any, cuts: list[int]) -> None:
    """Whatever is answered is read as it is, however it is cut."""
    raw = spelled(reply)
    at = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    if depth(reply) <= bounded.DEPTH_MAX:
        assert asyncio.run(fed(*(raw[a:b] for a, b in itertools.pairwise(at)))) == reply


@given(st.binary(max_size=60))
def test_any_garbage(raw: bytes) -> None:
    """Bytes of any kind are an answer, or an error of the library's own; nothing else comes of them."""
    try:
        asyncio.run(fed(raw))
    except RedisError:
        return


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"$536870912\r\n",
        b"$-2\r\n",
        b"$1_0\r\n",
        b"$ 1\r\n",
        b"$99999999999999999999999\r\n",
        b":x\r\n",
        b"*1000000000\r\n",
        b"*-2\r\n",
        b"*1\r\n" * 100_000,
        b"%1\r\n+a\r\n+b\r\n",
        b"+" + b"x" * 100_000,
    ],
)
async def test_garbage(raw: bytes) -> None:
    """What breaks the protocol, or claims to be larger than anything of ours, is refused."""
    with pytest.raises(RedisError) as caught:
        await fed(raw)
    assert not isinstance(caught.value, ResponseError)


async def test_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in all lists of an answer is counted together, and so are the bytes of its texts."""
    monkeypatch.setattr(bounded, "ELEMENTS_MAX", 4)
    monkeypatch.setattr(bounded, "ANSWER_BYTES_MAX", 4)
    assert await fed(b"*2\r\n:1\r\n*2\r\n$2\r\nab\r\n$2\r\nab\r\n") == [1, [b"ab", b"ab"]]
    for raw in (b"*2\r\n:1\r\n*3\r\n:1\r\n:1\r\n:1\r\n", b"*2\r\n$2\r\nab\r\n$3\r\nabc\r\n"):
        with pytest.raises(RedisError):
            await fed(raw)


async def test_held() -> None:
    """A list that claims a million members costs what has come of it."""
    tracemalloc.start()
    try:
        with pytest.raises(RedisError):
            await fed(b"*%d\r\n:1\r\n" % bounded.ELEMENTS_MAX)
        assert tracemalloc.get_traced_memory()[1] < 2**18
    finally:
        tracemalloc.stop()
