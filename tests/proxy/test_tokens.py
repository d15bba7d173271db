"""Task tokens: what is one, what is none, and that nobody can make more of one than it was."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.faults import Unreadable
from proxy.canonical.credentials import KEY_PATTERN, extract_key, holds_key, is_token
from proxy.keys import make_key
from proxy.tokens import TOKEN_CHARACTERS_MAX, Tokens, narrowed, read_token
from proxy.upstreamkey import mint_key
from tests.ledger.world import Counted
from tests.proxy.token_world import (
    NOW,
    OTHER_TASK,
    TASK,
    UNTIL,
    by_hand,
    raw,
    rewritten,
    spelled,
    tokens,
    without_caveats,
    written,
)

RING = tokens()
WHOLE = RING.mint(TASK, UNTIL, ("p=stripe", "r=charges.*:r"))
TEXT = WHOLE.spelled()


def test_minted() -> None:
    """A token that was made says its task, agent and time first, and what it was narrowed to behind them."""
    token = RING.verify(TEXT)
    assert token is not None
    assert (token.task, token.agent, token.expires_at) == (TASK, "clerk", UNTIL)
    assert [f"{one.key}={one.value}" for one in token.caveats] == [
        f"t={TASK}", "a=clerk", f"exp={int(UNTIL.timestamp())}", "p=stripe", "r=charges.*:r",
    ]  # fmt: skip
    assert token.is_valid(NOW)
    assert not token.is_valid(UNTIL)


def test_fits_every_slot() -> None:
    """A token has no sign that an SDK reads as something else, and its form is told by one pattern."""
    longest = narrowed(WHOLE, f"r={'a' * 100}*:rw")
    for text in (TEXT, RING.mint(TASK, UNTIL, (), "rk_").spelled(), longest.spelled()):
        assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
        assert len(text) <= TOKEN_CHARACTERS_MAX
        assert KEY_PATTERN.fullmatch(text)
        assert is_token(text)
        assert holds_key(f"https://example.com/?q={text}&r=1")
    assert RING.mint(TASK, UNTIL, (), "rk_").spelled().startswith("rk_bw1_")


def test_no_other_key_is_one() -> None:
    """An agent's key, and the key under which we send to a vendor, are not taken for tokens."""
    key, upstream = make_key("clerk", Counted())[1], mint_key(Counted())
    assert not is_token(key)
    assert not holds_key(upstream)


def test_prefix_says_nothing() -> None:
    """With the prefix that a vendor's client asks for it is the same token."""
    assert RING.verify(f"rk_{TEXT}") is RING.verify(TEXT)
    assert RING.verify(f"sk_{TEXT}") is None


def test_ids() -> None:
    """Each stage of a narrowing has an id of its own, and keeps those before it."""
    token, further = RING.verify(TEXT), RING.verify(narrowed(WHOLE, "n=3").spelled())
    assert token is not None
    assert further is not None
    assert token.ids[0] == WHOLE.id
    assert further.ids == (*token.ids, further.caveats[-1].id)
    assert len(set(further.ids)) == 4
    assert all(re.fullmatch(r"[a-z2-7]{16}", one) for one in further.ids)
    sibling = RING.verify(narrowed(WHOLE, "n=4").spelled())
    assert sibling is not None
    assert sibling.ids[:-1] == token.ids
    assert sibling.ids[-1] != further.ids[-1]


FIRST = WHOLE.caveats[:3]
LAST = WHOLE.caveats[3:]

FORGED = {
    "the last caveat dropped": rewritten(WHOLE, WHOLE.caveats[:-1]),
    "a middle caveat dropped": rewritten(WHOLE, (*FIRST, LAST[1])),
    "the first caveat dropped": rewritten(WHOLE, WHOLE.caveats[1:]),
    "all caveats dropped": rewritten(WHOLE, ()),
    "reordered": rewritten(WHOLE, (*FIRST, *reversed(LAST))),
    "a caveat twice": rewritten(WHOLE, (*WHOLE.caveats, LAST[-1])),
    "a caveat changed": rewritten(WHOLE, (*FIRST, b"p=github", LAST[1])),
    "two caveats in one": rewritten(WHOLE, (*FIRST, LAST[0] + LAST[1])),
    "another task": rewritten(WHOLE, (f"t={OTHER_TASK}".encode(), *WHOLE.caveats[1:])),
    "no tag": rewritten(WHOLE, WHOLE.caveats, bytes(32)),
    "another ring": tokens(b"other").mint(TASK, UNTIL).spelled(),
    "another version of the ring": spelled(raw(TEXT), "2"),
    "no version": spelled(raw(TEXT), "x"),
    "version nought": spelled(raw(TEXT), "0"),
    "a version with a nought before it": spelled(raw(TEXT), "01"),
    "cut": TEXT[:-4],
    "longer": f"{TEXT}AAAA",
    "a length beyond the end": spelled(raw(TEXT)[:16] + b"\xff" + raw(TEXT)[17:]),
    "an empty caveat": spelled(raw(TEXT)[:16] + b"\x00" + raw(TEXT)[16:]),
    "nonce and tag alone": spelled(raw(TEXT)[:16] + raw(TEXT)[-32:]),
    "nothing": spelled(b""),
    "no base64": f"{TEXT}!",
    "padded": f"{TEXT}=",
    "another alphabet": TEXT.replace("_", "/").replace("-", "+"),
    "a line behind it": f"{TEXT}\n",
    "too long": f"bw1_1_{'A' * 600}",
}


@pytest.mark.parametrize("name", FORGED)
def test_forged(name: str) -> None:
    """A token that nobody made in this form is none."""
    assert RING.verify(FORGED[name]) is None


def test_bit_flips() -> None:
    """No bit of a token can be another one."""
    data = raw(TEXT)
    for at in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[at // 8] ^= 1 << at % 8
        assert RING.verify(spelled(bytes(flipped))) is None
    for at in range(len("bw1_1_"), len(TEXT)):
        other = TEXT[:at] + ("A" if TEXT[at] != "A" else "B") + TEXT[at + 1 :]
        assert RING.verify(other) is None


UNKNOWABLE = (
    b"x=1", b"later=anything", b"n=", b"n=-1", b"max=50", b"r=refunds.*", b"p=", b"exp=soon", b"", b"=", b"novalue",
    b"\xff", b"n=\xc3\xa9", b"p=stripe\x00", b"t=" + OTHER_TASK.encode(), b"a=other",
    b"t=other/01M7YZDQY12XJKES0GC4ZSQHB4",
)  # fmt: skip


@pytest.mark.parametrize("caveat", UNKNOWABLE)
def test_unknown_caveat(caveat: bytes) -> None:
    """A caveat that the token's holder added and nobody here can hold a call against makes it no token at all."""
    assert RING.verify(by_hand(WHOLE, caveat)) is None


def test_duplicates_narrow() -> None:
    """A caveat that comes again narrows further: the earliest end, the latest beginning, and both of the rest."""
    later, earlier = int((UNTIL + timedelta(days=1)).timestamp()), int((UNTIL - timedelta(minutes=5)).timestamp())
    text = by_hand(WHOLE, b"exp=%d" % later, b"exp=%d" % earlier, b"nbf=1", b"nbf=%d" % NOW.timestamp(), b"p=github")
    token = RING.verify(text)
    assert token is not None
    assert token.expires_at == UNTIL - timedelta(minutes=5)
    assert token.begins_at == NOW
    assert [one.value for one in token.caveats if one.key == "p"] == ["stripe", "github"]
    assert not token.is_valid(NOW - timedelta(seconds=1))
    assert token.is_valid(NOW)


def test_same_task_again() -> None:
    """A caveat that repeats the task takes nothing away."""
    assert RING.verify(by_hand(WHOLE, b"t=" + TASK.encode(), b"a=clerk")) is not None


ORDERS = {
    "no agent": (b"t=" + TASK.encode(), b"exp=1795262400"),
    "no task": (b"a=clerk", b"exp=1795262400"),
    "no time": (b"t=" + TASK.encode(), b"a=clerk"),
    "another order": (b"a=clerk", b"t=" + TASK.encode(), b"exp=1795262400"),
    "another agent's task": (b"t=other/01M7YZDQY12XJKES0GC4ZSQHB4", b"a=clerk", b"exp=1795262400"),
    "something before them": (b"n=1", b"t=" + TASK.encode(), b"a=clerk", b"exp=1795262400"),
}


@pytest.mark.parametrize("name", ORDERS)
def test_must_begin(name: str) -> None:
    """A token that does not begin with its task, agent and time is none, whatever its tag says."""
    start = without_caveats(RING)
    assert RING.verify(by_hand(start, *FIRST)) is not None
    assert RING.verify(by_hand(start, *ORDERS[name])) is None
    assert RING.verify(start.spelled()) is None


def test_turned_ring() -> None:
    """A ring that holds a newer secret makes tokens under that and still knows those of the former; not the reverse."""
    before, after = tokens(b"ring", 1), tokens(b"ring", 1, 2)
    old, new = before.mint(TASK, UNTIL).spelled(), after.mint(TASK, UNTIL).spelled()
    assert (new.startswith("bw1_2_"), after.verify(old) is not None, after.verify(new) is not None) == (True,) * 3
    assert before.verify(new) is None


@given(st.text(st.characters(codec="ascii"), max_size=80), st.binary(max_size=400), st.text("0123456789ax", max_size=9))
def test_anything(text: str, data: bytes, kid: str) -> None:
    """Whatever a text is, it is read or it is none, without a surprise."""
    for shown in (text, f"bw1_1_{text}", spelled(data, kid or "1"), TEXT[: len(text)] + text):
        read_token(shown)
        assert RING.verify(shown) is None


@pytest.mark.parametrize("caveat", ["x=1", "n=none", "", "p=str\u00efpe", "r=" + "a" * 300 + ":r"])
def test_narrow_refuses(caveat: str) -> None:
    """A caveat under which nothing would pass is refused to whoever narrows with our own command."""
    with pytest.raises(Unreadable):
        narrowed(WHOLE, caveat)


def test_narrow_bounded() -> None:
    """A token does not become longer than what every HTTP server takes."""
    token = WHOLE
    with pytest.raises(Unreadable, match="longer than 512"):
        for _ in range(20):
            token = narrowed(token, f"r={'a' * 40}*:r")
    assert RING.verify(token.spelled()) is not None
    assert RING.verify(by_hand(token, *[b"n=1"] * 40)) is None


def test_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is verified once, and what is kept for that is bounded, and holds no text of it."""
    ring: Tokens = tokens()
    text = ring.mint(TASK, UNTIL).spelled()
    first = ring.verify(text)
    monkeypatch.setattr(ring, "_authentic", lambda _: pytest.fail("it was verified again"))
    assert ring.verify(text) is first
    monkeypatch.undo()
    assert text not in repr(ring._verified)
    monkeypatch.setattr("proxy.tokens.VERIFIED_MAX", 3)
    for _ in range(5):
        ring.verify(ring.mint(TASK, UNTIL).spelled())
    assert len(ring._verified) == 3
    assert ring.verify(text) == first


def test_not_shown() -> None:
    """Whatever prints a token as it was read prints nothing that it could be made of again."""
    token = written(TEXT)
    assert repr(token.tag)[2:-1] not in repr(token)


def test_forged_ones_are_not_kept() -> None:
    """Whoever sends forged tokens pushes no good one out."""
    ring = tokens()
    for text in FORGED.values():
        ring.verify(text)
    assert len(ring._verified) == 0


def test_extracted() -> None:
    """A token is found where a key is, and half a token is nothing."""
    assert extract_key(f"Bearer {TEXT}", None) == TEXT
    assert written(extract_key(None, f"rk_{TEXT}")).prefix == "rk_"
