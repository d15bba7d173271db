"""Operators' tokens on record: known after a restart, taken over by a new epoch, and none from behind damage."""

from __future__ import annotations

from dataclasses import replace

from proxy.keys import OperatorToken
from proxy.ledger.book import Ledger
from proxy.ledger.drafts import system
from tests.ledger.test_recovery import damage_behind
from tests.ledger.world import World, commit_now

GONE, KEPT = OperatorToken("k1", "ada", "h1", revoked=True), OperatorToken("k2", "bob", "h2")


def minted(ledger: Ledger) -> None:
    """
    Put three tokens on record, of which one is taken back, and one twice.
    """
    for kid, name in (("k1", "ada"), ("k2", "bob"), ("k1", "eve")):
        commit_now(ledger, system("operator.minted", name=name, kid=kid, hash=f"h{kid[1]}", by="admin"))
    commit_now(ledger, system("operator.revoked", kid="k1", by="bob"))
    commit_now(ledger, system("operator.revoked", kid="nothing", by="bob"))


def test_restart() -> None:
    """The next process knows each token once, whose it is, and which of them were revoked."""
    world = World()
    minted(world.open())
    recovered = World(disk=world.disk.after_kill()).open().recovered
    assert recovered.operators == (OperatorToken("k1", "ada", "h1", revoked=True), KEPT)


def test_new_epoch() -> None:
    """A new log takes over the tokens of a whole one, and which of them were revoked, and stays so over the next."""
    world = World()
    minted(world.open())
    second = World(disk=world.disk.after_kill())
    assert second.open(new_epoch="moved").recovered.operators == (GONE, KEPT)
    third = World(disk=second.disk.after_kill())
    assert third.open(new_epoch="again").recovered.operators == (GONE, KEPT)


def test_damage() -> None:
    """From a damaged log no token is taken over that is valid: its revocation may stand in what is lost."""
    world = World()
    ledger = world.open()
    minted(ledger)
    size = ledger.size + 1
    commit_now(ledger, system("test.damaged"))
    commit_now(ledger, system("operator.revoked", kid="k2", by="bob"))
    commit_now(ledger, system("operator.minted", name="thief", kid="k3", hash="h3", by="admin"))
    recovered = World(disk=damage_behind(world, size)).open(new_epoch="because").recovered
    assert recovered.operators == (GONE, replace(KEPT, revoked=True))
