"""The board: what one process makes and revokes, all know; a revocation wins, and nothing that is lost comes back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from breakers.store.protocol import StoreUnavailable
from proxy.board import Board
from proxy.errors import LedgerUnavailable
from proxy.keys import AgentKey, Keys, OperatorToken, OperatorTokens, make_key
from proxy.ledger.keyring import KeyRing
from proxy.pinned import PinSeal, id_of, pinned
from tests.fleet.boxes import Pinboard
from tests.ledger.world import Counted, StillClock
from tests.proxy.road import Lines

RING = KeyRing({1: b"1" * 32}, 1)
KEY = AgentKey("k1", "support", "d1")
TOKEN = OperatorToken("t1", "ana", "d2")

# Enough that what grows with their square shows.
KEYS = 30


@dataclass(repr=False)
class Access:
    """The record, in memory."""

    away: bool = False
    lines: list[str] = field(default_factory=list)

    async def minted_elsewhere(self, one: AgentKey | OperatorToken, replica: str) -> None:
        self.write(f"minted {one.kid} at {replica}{' over' if one.revoked else ''}")

    async def revoked_elsewhere(self, one: AgentKey | OperatorToken, replica: str) -> None:
        self.write(f"revoked {one.kid} at {replica}")

    def write(self, line: str) -> None:
        if self.away:
            raise LedgerUnavailable("it is away")
        self.lines.append(line)


class Process:
    """One process before the board."""

    def __init__(self, name: str, pins: Pinboard | None, number: int = 0) -> None:
        self.keys, self.tokens, self.access, self.clock = Keys(), OperatorTokens(), Access(), StillClock()
        self.log = Lines()
        seal = PinSeal(RING, "here", Counted(1000 * number))
        views = (self.keys, self.tokens)
        self.board = Board(pins, seal, views, self.access, name, self.clock, self.log)  # type: ignore[arg-type]
        self.board.away_s = 60.0
        # What it was known to hold revoked.
        self.held: set[str] = set()

    def knows(self, kid: str) -> str:
        """
        Return how a key or a token stands here.
        """
        every: tuple[AgentKey | OperatorToken, ...] = (*self.keys.all(), *self.tokens.all())
        found = [one for one in every if one.kid == kid]
        return "unknown" if not found else "revoked" if found[0].revoked else "valid"


@pytest.fixture
def pins() -> Pinboard:
    """
    Give an empty board.
    """
    return Pinboard()


@pytest.fixture
def a(pins: Pinboard) -> Process:
    """
    Give a process that has made a key and a token.
    """
    made = Process("a", pins, 1)
    made.keys.minted(KEY)
    made.tokens.minted(TOKEN)
    return made


@pytest.fixture
def b(pins: Pinboard) -> Process:
    """
    Give one that knows nothing.
    """
    return Process("b", pins, 2)


async def look(*processes: Process) -> None:
    """
    Have each look, one after the other.
    """
    for one in processes:
        await one.board.look()


@pytest.mark.parametrize("kid", ["k1", "t1"])
async def test_told(kid: str, a: Process, b: Process) -> None:
    """What is made at one process is valid at another after one look of each, on record there, and revoked likewise."""
    await look(a, b)
    assert b.knows(kid) == "valid"
    assert b.access.lines == ["minted k1 at a", "minted t1 at a"]
    (a.keys if kid == "k1" else a.tokens).revoked(kid)
    await look(a, b)
    assert b.knows(kid) == "revoked"
    assert b.access.lines[2:] == [f"revoked {kid} at a"]
    # It does not tell what it was told, and does not record it twice.
    await look(b, a, b)
    assert (a.access.lines, len(b.access.lines)) == ([], 3)


async def test_never_the_key(pins: Pinboard, a: Process) -> None:
    """Neither a key nor its hash, nor whose it is, can be read on the board."""
    key, text = make_key("support", Counted())
    a.keys.minted(key)
    await look(a)
    value = pins.there[f"k:{key.kid}"]
    for secret in (text, text.rpartition("_")[2], key.digest, "support"):
        assert secret.encode() not in value


async def test_learned_over(a: Process, b: Process) -> None:
    """What was revoked before a process heard of it is revoked there, too, for good."""
    a.keys.revoked("k1")
    await look(a, b)
    assert b.knows("k1") == "revoked"
    assert "minted k1 at a over" in b.access.lines


async def test_flushed(pins: Pinboard, a: Process, b: Process) -> None:
    """What the board loses any process puts back that knows it; one that missed the revocation revives nothing."""
    c = Process("c", pins, 3)
    await look(a, b, c)
    a.keys.revoked("k1")
    await look(a, b)
    pins.flush()
    # The first to put something back is the one that missed it.
    await look(c, b, c)
    assert [one.knows("k1") for one in (a, b, c)] == ["revoked"] * 3
    assert pins.there["k:k1"].startswith(b"r")


@pytest.mark.parametrize("loses", ["all", "the last"])
async def test_taken_back(loses: str, pins: Pinboard, a: Process, b: Process) -> None:
    """A board that lost something is read anew, although as much was done to it since as it has lost."""
    await look(a, b)
    there, state = dict(pins.there), pins.state
    a.keys.minted(replace(KEY, kid="k2"))
    await look(a)
    if loses == "all":
        pins.flush()
    else:
        pins.there, pins.state = there, state
    b.keys.revoked("k1")
    await look(b, a, b)
    assert [one.knows("k1") for one in (a, b)] == ["revoked"] * 2
    assert [one.knows("k2") for one in (a, b)] == ["valid"] * 2


async def test_many(pins: Pinboard, a: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look takes as long as there are keys, and not as long as that times itself: nothing else goes on meanwhile."""
    for number in range(KEYS):
        a.keys.minted(replace(KEY, kid=f"n{number}"))
    await look(a)
    named: list[AgentKey | OperatorToken] = []

    def counted(one: AgentKey | OperatorToken) -> str:
        named.append(one)
        return id_of(one)

    monkeypatch.setattr("proxy.board.id_of", counted)
    await look(a)
    # Of each before what is revoked takes hold, before it is put on record, and before the board is told.
    assert len(named) <= 3 * (KEYS + 2)


async def test_record_away(a: Process, b: Process) -> None:
    """A key takes hold once it is on record, a revocation at once, and both are on record as soon as that can be."""
    b.access.away = True
    await look(a)
    with pytest.raises(LedgerUnavailable):
        await look(b)
    assert b.knows("k1") == "unknown"
    b.access.away = False
    await look(b)
    b.access.away = True
    a.keys.revoked("k1")
    await look(a)
    assert not await b.board.try_look()
    assert b.knows("k1") == "revoked"
    b.access.away = False
    await look(b)
    assert b.access.lines[-1] == "revoked k1 at a"


JUNK = {
    "nothing": b"",
    "words": b"mhello",
    "a revocation that nobody sealed": b"r" + b"\x00\x00\x00\x01" + b"x" * 60,
    "another's": b"m" + PinSeal(RING, "here", Counted()).seal(pinned(replace(KEY, kid="k9"), "a")),
    "minted, called revoked": b"r" + PinSeal(RING, "here", Counted()).seal(pinned(KEY, "a")),
    "another deployment's": b"m" + PinSeal(RING, "there", Counted()).seal(pinned(KEY, "a")),
    "another ring's": b"m" + PinSeal(KeyRing({1: b"2" * 32}, 1), "here", Counted()).seal(pinned(KEY, "a")),
}


@pytest.mark.parametrize("case", JUNK)
async def test_junk(case: str, pins: Pinboard, a: Process, b: Process) -> None:
    """What none of us has put there makes and revokes nothing, and gives way to what is on record."""
    await look(a)
    pins.there["k:k1"] = JUNK[case]
    pins.state = "changed"
    await look(b)
    assert b.knows("k1") == "unknown"
    await look(a, b)
    assert (a.knows("k1"), b.knows("k1")) == ("valid", "valid")


async def test_away(pins: Pinboard, a: Process) -> None:
    """What is known here is good for a minute without a look, from the start on, and good again after the next."""
    a.clock.move(60.0)
    a.board.vouch()
    a.clock.move(0.001)
    pins.away = True
    assert not await a.board.try_look()
    assert not a.board.is_fresh
    with pytest.raises(StoreUnavailable, match="revoked"):
        a.board.vouch()
    pins.away = False
    assert await a.board.try_look()
    a.board.vouch()


async def test_alone() -> None:
    """Where nobody shares the store there is nothing to look at, and what is known is good for ever."""
    alone = Process("a", None)
    alone.clock.move(1e9)
    alone.board.vouch()
    await alone.board.watch()
    assert await alone.board.try_look()


async def test_unforeseen(a: Process) -> None:
    """A look that fails in a way that nobody foresaw stands in the log, and the next is another attempt."""
    a.board._pins = object()  # type: ignore[assignment]
    assert not await a.board.try_look()
    assert a.log.of("failure")


class Fleet(RuleBasedStateMachine):
    """Three processes that mint, revoke, look and lose the board, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.pins, self.runner = Pinboard(), asyncio.Runner()
        self.all = [Process(name, self.pins, number) for number, name in enumerate("abc")]
        self.gone: set[str] = set()
        self.made = 0

    @rule(at=st.integers(0, 2))
    def mint(self, at: int) -> None:
        """Make a key at one of them."""
        self.made += 1
        self.all[at].keys.minted(AgentKey(f"k{self.made}", "support", f"d{self.made}"))

    @rule(at=st.integers(0, 2), which=st.integers(1, 5))
    def revoke(self, at: int, which: int) -> None:
        """Revoke one where it is known."""
        if self.all[at].knows(f"k{which}") == "valid":
            self.all[at].keys.revoked(f"k{which}")
            self.gone.add(f"k{which}")

    @rule(at=st.integers(0, 2))
    def look(self, at: int) -> None:
        """Have one of them look."""
        self.runner.run(self.all[at].board.look())

    @rule()
    def flush(self) -> None:
        """Lose the board."""
        self.pins.flush()

    @invariant()
    def never_revived(self) -> None:
        """Whoever knew that a key is revoked knows it for good."""
        for one in self.all:
            assert all(one.knows(kid) == "revoked" for kid in one.held)
            one.held = {key.kid for key in one.keys.all() if key.revoked}

    def teardown(self) -> None:
        """After each has looked twice all know the same: every key, and of each whether it was revoked."""
        for _ in range(2):
            for one in self.all:
                self.runner.run(one.board.look())
        self.runner.close()
        for one in self.all:
            kids = {key.kid for key in one.keys.all()}
            assert kids == {f"k{number + 1}" for number in range(self.made)}
            assert {kid for kid in kids if one.knows(kid) == "revoked"} == self.gone


Fleet.TestCase.settings = settings(max_examples=25, stateful_step_count=20)
TestFleet = Fleet.TestCase
