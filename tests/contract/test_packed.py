"""The records that a server keeps for processes of other versions: what an older one packed is read as it was meant."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from breakers.breaker import FORCED, Breaker, Probe, State
from breakers.spend import Charge
from breakers.stops import Mode, Stop
from breakers.store.gauged import pack_breaker, unpack_breaker
from breakers.store.packed import moment, pack_opened, unpack
from breakers.store.stopped import pack_stop, unpack_stop
from breakers.store.suggested import unworded, worded
from tests.breakers.world import AT
from tests.contract.charges import month
from tests.contract.world import opened

CHARGED = (replace(month(5, 0), until=AT),)


@pytest.mark.parametrize("suggestion", ["", "01S"])
@pytest.mark.parametrize("charges", [(), CHARGED], ids=["free", "charged"])
def test_intent(suggestion: str, charges: tuple[Charge, ...]) -> None:
    """An intent is read as it was packed, with what it is charged and what it carries out."""
    event = replace(opened(), charges=charges, suggestion=suggestion)
    kept = unpack(b"d 0 0 0 0\n" + pack_opened(event) + b"\n", 0, AT)
    assert kept is not None
    assert kept.opened == event


@pytest.mark.parametrize("charges", [(), CHARGED], ids=["free", "charged"])
def test_older_intent(charges: tuple[Charge, ...]) -> None:
    """What a version packed that knew of no suggestion, or of no charges either, carries out none."""
    event = replace(opened(), charges=charges)
    line = orjson.loads(pack_opened(event))
    assert len(line) == (12 if charges else 11)
    kept = unpack(b"d 0 0 0 0\n" + orjson.dumps(line) + b"\n", 0, AT)
    assert kept is not None
    assert kept.opened == event


@pytest.mark.parametrize("state", State)
def test_breaker(state: State) -> None:
    """A breaker is read as it was packed, whatever it is."""
    one = Breaker(
        *("api:shop/write", state, 7, 3, AT, AT, 2, 1, 3, 4500, AT, Probe("01A", AT)),
        why="„5 of 9“\nin a row",
        by="ann",
        before=State.BLOCKED if state in FORCED else State.PASSING,
    )
    assert unpack_breaker(one.key, b"7 01A 1 1\n" + pack_breaker(one), lambda _: AT) == one
    bare = Breaker("task:1", state)
    assert unpack_breaker("task:1", b"0 - 0 0\n" + pack_breaker(bare), moment) == bare


@pytest.mark.parametrize("until", [None, AT])
@pytest.mark.parametrize("mode", Mode)
def test_stop(mode: Mode, until: object) -> None:
    """A stop is read as it was packed, whatever it is."""
    one = Stop("all", mode, 4, "ann", "a line\nand another", AT, until, Mode.STOP_ALL, aborts=True)  # type: ignore[arg-type]
    head = f"{mode} 4 {0 if until is None else 9} stop-all\n".encode()
    assert unpack_stop("all", head + pack_stop(one)) == one


@pytest.mark.parametrize("said", ["", "-", "%2D", "k:1", "a b\tc\n", "ä/%", "digest of 01S"])
def test_words(said: str) -> None:
    """Any text is one word, without a blank, and comes back as it was."""
    word = worded(said)
    assert unworded(word) == said
    assert word.split() == [word]
