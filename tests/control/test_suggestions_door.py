"""Suggestions over the admin door: who is let in for what, what is told, and that a card cannot steer a terminal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from loadtest.upstreams.stripe import StripeSandbox
from loadtest.upstreams.stripe.account import Charge
from proxy.cli.card import card_lines
from tests.proxy.approving import REFUNDS, Stand, on_a_road
from tests.proxy.road import SECRET

PATH = "/v1/suggestions"


@pytest_asyncio.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    """
    Give a road whose agent's writes are all parked, for whoever looks.
    """
    async with StripeSandbox(secret=SECRET) as sandbox, on_a_road(tmp_path, sandbox) as made:
        yield made


async def test_worked_over_the_door(stand: Stand) -> None:
    """Listed, shown, edited, approved and rejected over the door by whoever has the role; refused to everybody else."""
    one, other = [await stand.parked(await stand.customer(name)) for name in ("Ada", "Eve")]
    ana, finn, house = await stand.token("ana"), await stand.token("finn"), None
    (first, second) = (await stand.on.admin("GET", PATH)).json
    assert (first["suggestion"], second["suggestion"], first["state"]) == (one.id, other.id, "open")
    card = (await stand.on.admin("GET", f"{PATH}/{one.id}")).json
    said = {"digest": card["digest"]}
    for token, status in ((house, 403), (finn, 409), (stand.on.keys["support"], 401)):
        assert (await stand.on.admin("POST", f"{PATH}/{one.id}/approve", said, token=token)).status == status
    edited = await stand.on.admin("POST", f"{PATH}/{one.id}/edit", {"set": ["body.name=Grace"]}, token=ana)
    assert (edited.status, edited.json["edit"]) == (200, {"changed": 1, "of": 3, "micros": "0"})
    assert (await stand.on.admin("POST", f"{PATH}/{one.id}/approve", said, token=ana)).status == 409
    said = {"digest": edited.json["digest"]}
    assert (await stand.on.admin("POST", f"{PATH}/{one.id}/approve", said, token=ana)).json["by"] == "ana"
    await stand.carried(one)
    made = (await stand.on.admin("GET", f"{PATH}/{one.id}?wait=5")).json
    assert (made["state"], made["made"]["status"]) == ("executed", 200)
    no = await stand.on.admin("POST", f"{PATH}/{other.id}/reject", {"reason": "no"}, token=ana)
    assert (no.status, no.json["state"]) == (200, "rejected")
    assert (await stand.on.admin("GET", PATH)).json == []
    assert len((await stand.on.admin("GET", f"{PATH}?all=true")).json) == 2
    assert stand.effects == {"customer.created": 1}


BODIES = [
    ("approve", b"x"),
    ("approve", {}),
    ("approve", {"digest": 5}),
    ("approve", {"digest": "0" * 64, "more": 1}),
    ("approve", {"digest": "0" * 64}),
    ("approve", {"digest": ""}),
    ("reject", {"reason": " "}),
    ("reject", {"reason": "x" * 2_001}),
    ("edit", {"set": [5]}),
    ("edit", {"set": "body.name=x"}),
    ("edit", {"set": ["body.name=x"], "reason": 5}),
]


async def test_bodies(stand: Stand) -> None:
    """What is no word is refused in words, and changes nothing."""
    one, ana = await stand.parked(await stand.customer("Ada")), await stand.token("ana")
    for verb, body in BODIES:
        answer = await stand.on.admin("POST", f"{PATH}/{one.id}/{verb}", body, token=ana)
        assert (answer.status, bool(answer.json["error"]), bool(answer.json["hint"])) == (409, True, True), (verb, body)
    for verb in ("approve", "reject", "edit"):
        said = {"approve": {"digest": "0" * 64}, "reject": {"reason": "no"}, "edit": {"set": ["body.a=b"]}}[verb]
        assert (await stand.on.admin("POST", f"{PATH}/unknown/{verb}", said, token=ana)).status == 409
    assert (await stand.on.admin("GET", f"{PATH}/unknown")).status == 409
    assert await stand.stage(one) == "open"
    assert await stand.kinds(one) == ["approval.requested"]


WORDS = ("\x1b[2J\x1b[1;1Happroved by ana", "a\r\nexpires    never", "\u202egnp.exe", "\x07\x9b31m")


async def test_harmless(stand: Stand) -> None:
    """What an agent or an API wrote is on lines marked as theirs, with whatever could steer a terminal spelled out."""
    for words in WORDS:
        # What the API shows: a charge that says the same.
        stand.sandbox.account.get(Charge, "charge", stand.charge).description = words
        one = await stand.parked(await stand.on.ask("POST", REFUNDS, form={"charge": stand.charge, "reason": words}))
        lines = list(card_lines(await stand.desk.shown(one.id)))
        assert all(line.isprintable() for line in lines)
        assert f"  | reason = {words.encode('unicode_escape').decode()}" in lines
        assert any(line.startswith("  > description: ") for line in lines)
