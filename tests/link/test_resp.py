"""What is read of a server: the same in whatever pieces it comes, and nothing that could fill the memory."""

from __future__ import annotations

import contextlib
import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.store import resp
from breakers.store.protocol import StoreUnavailable
from breakers.store.resp import MORE, Answer, More, Refusal, Reply, pack

TEXTS = st.binary(max_size=40)
LEAVES: st.SearchStrategy[Reply] = st.one_of(
    st.none(), TEXTS, st.integers(-(2**63), 2**63 - 1), st.sampled_from(["ERR no", "OOM full"]).map(Refusal)
)
REPLIES: st.SearchStrategy[Reply] = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4), max_leaves=20)


def spelled(reply: Reply) -> bytes:
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
        case Refusal(said):
            return b"-%s\r\n" % said.encode()
        case list():
            return b"*%d\r\n" % len(reply) + b"".join(spelled(one) for one in reply)


def depth(reply: Reply) -> int:
    """
    Return how many lists stand in each other.
    """
    return 1 + max(map(depth, reply), default=0) if isinstance(reply, list) else 0


def fed(*pieces: bytes) -> Reply | More:
    """
    Return what is made of an answer that comes in these pieces.
    """
    answer, said = Answer(), MORE
    for piece in pieces:
        assert isinstance(said, More)
        said = answer.feed(piece)  # type: ignore[assignment] # it is looked at in the next turn
    return said


@given(REPLIES, st.lists(st.integers(0, 400), max_size=8))
def test_any_pieces(reply: Reply, cuts: list[int]) -> None:
    """Whatever is answered is read as it is, however it is cut."""
    raw = spelled(reply)
    at = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    assert depth(reply) > resp.DEPTH_MAX or fed(*(raw[a:b] for a, b in itertools.pairwise(at))) == reply


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_garbage(raw: bytes, cut: int) -> None:
    """Bytes of any kind are an answer, the beginning of one, or refused; nothing else comes of them."""
    answer = Answer()
    with contextlib.suppress(StoreUnavailable):
        if isinstance(answer.feed(raw[:cut]), More):
            answer.feed(raw[cut:])


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"$536870912\r\n",
        b"$-2\r\n",
        b"$1_0\r\n",
        b"$ 1\r\n",
        b"$99999999999999999999999\r\n",
        b":+1\r\n",
        b":\r\n",
        b":-\r\n",
        b"*1000000000\r\n",
        b"*-2\r\n",
        b"*1\r\n" * (resp.DEPTH_MAX + 1),
        b"*1\r\n" * 100_000,
        b"$2\r\nabc\r\n",
        b"+OK\r\n+OK\r\n",
        b"%1\r\n+a\r\n+b\r\n",
        b"+" + b"x" * (resp.LINE_BYTES_MAX + 1),
    ],
)
def test_garbage(raw: bytes) -> None:
    """What breaks the protocol, or claims to be larger than anything of ours, is refused as soon as it is seen."""
    with pytest.raises(StoreUnavailable, match="does not speak the protocol"):
        fed(raw)


def test_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in all lists of an answer is counted together."""
    monkeypatch.setattr(resp, "ELEMENTS_MAX", 4)
    assert fed(b"*2\r\n:1\r\n*2\r\n:1\r\n:1\r\n") == [1, [1, 1]]
    with pytest.raises(StoreUnavailable):
        fed(b"*2\r\n:1\r\n*3\r\n")


def test_bounded() -> None:
    """An answer that claims to be large costs what has arrived of it, and is cut off where it becomes too large."""
    answer, chunk = Answer(), b"x" * 2**16
    tracemalloc.start()
    try:
        answer.feed(b"*4\r\n$%d\r\n" % resp.BULK_BYTES_MAX)
        assert tracemalloc.get_traced_memory()[1] < 2**18
        with pytest.raises(StoreUnavailable):
            for _ in range(2 * resp.ANSWER_BYTES_MAX // len(chunk)):
                answer.feed(chunk)
        assert tracemalloc.get_traced_memory()[1] < 3 * resp.ANSWER_BYTES_MAX
    finally:
        tracemalloc.stop()


@given(st.lists(st.one_of(TEXTS, st.integers(), st.text(max_size=10)), min_size=1, max_size=5))
def test_pack(words: list[str | int | bytes]) -> None:
    """A command is a list of texts, whatever stands in them."""
    assert fed(pack(words)) == [word if isinstance(word, bytes) else str(word).encode() for word in words]
