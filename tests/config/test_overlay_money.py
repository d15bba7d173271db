"""What the bundled overlays say of money: every curated write says how much, nothing, or that nobody knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from breakers.amounts import may_move
from breakers.call import Operation
from config.catalog import Effect, Place
from config.faults import CatalogFault
from config.tables import BUNDLED, compile_catalog, load_catalog

CATALOGS = {name: load_catalog(name, Path()) for name in BUNDLED}
FOLDER = Path(__file__).parents[2] / "config" / "catalogs"
STRIPE = CATALOGS["stripe"].operations


def written(api: str) -> dict[str, Any]:
    """
    Return an overlay as it is written.
    """
    read: dict[str, Any] = yaml.safe_load((FOLDER / f"{api}.overlay.yaml").read_text("utf-8"))
    return read


def test_every_write_says() -> None:
    """Every write that is curated for Stripe says what it moves: an amount, nothing, or that nobody knows."""
    silent = [
        name
        for name, curated in written("stripe")["operations"].items()
        if STRIPE[name].effect is not Effect.READ and not curated.keys() & {"amount", "moves"}
    ]
    assert silent == []


# Seats that their buyer is billed for.
SEATS = {
    "codespaces/set-codespaces-access-users",
    "copilot/add-copilot-seats-for-teams",
    "copilot/add-copilot-seats-for-users",
}


@pytest.mark.parametrize(("api", "but"), [("github", SEATS), ("jira", set())])
def test_no_money(api: str, but: set[str]) -> None:
    """No operation of GitHub or Jira moves money, curated or not, unless it buys seats."""
    assert written(api)["dialect"]["money"] == "none"
    moving = {spec.name: spec for spec in CATALOGS[api].operations.values() if not spec.moves_nothing}
    assert moving.keys() == but
    assert all(may_move(Operation(spec, {})) and spec.amount is None for spec in moving.values())


# What bills, pays or changes what will be billed, and says by no argument how much.
UNKNOWN = """
    credit_notes.void_credit_note customers.cash_balance.update customers.delete_discount invoice_items.create
    invoice_items.delete invoices.add_lines invoices.create invoices.finalize_invoice invoices.remove_lines
    invoices.send_invoice invoices.update_lines payment_links.create quotes.accept subscription_items.create
    subscription_items.delete subscription_schedules.cancel subscription_schedules.create
    subscription_schedules.release subscriptions.create subscriptions.delete_discount subscriptions.migrate
    subscriptions.pause subscriptions.resume
"""
# The same, but for what is only said beside that.
UNKNOWN_BUT = """
    checkout.sessions.update coupons.update customers.create customers.update invoice_items.update invoices.update
    payment_links.update prices.update subscription_items.update subscription_schedules.update subscriptions.cancel
    subscriptions.update
"""


def test_unknown() -> None:
    """Whatever may move money without saying how much is known by name."""
    curated = [spec for spec in STRIPE.values() if spec.curated and spec.effect is not Effect.READ]
    unknown = {spec.name for spec in curated if spec.amount is None and not spec.moves_nothing}
    assert unknown == {*UNKNOWN.split(), *UNKNOWN_BUT.split()}
    assert {spec.name for spec in curated if spec.harmless} == {*UNKNOWN_BUT.split(), "payment_intents.update"}
    assert not any(spec.moves_nothing for spec in STRIPE.values() if not spec.curated)


@pytest.mark.parametrize(
    ("name", "said", "moves"),
    [
        ("customers.update", {"email": "a@example.com", "metadata": {}, "expand": ["tax"]}, False),
        ("customers.update", {"email": "a@example.com", "balance": -500}, True),
        ("customers.update", {"source": "tok_visa"}, True),
        ("customers.create", {"source": "tok_visa"}, False),
        ("customers.create", {"balance": -500}, True),
        ("subscriptions.cancel", {}, False),
        ("subscriptions.cancel", {"invoice_now": True}, True),
        ("subscriptions.update", {"items": []}, True),
        ("invoices.update", {"description": "Tea"}, False),
        ("invoices.update", {"auto_advance": True}, True),
        ("payment_intents.update", {"description": "Tea"}, False),
        ("payment_intents.update", {"amount": 500}, True),
        ("coupons.create", {"amount_off": 500}, False),
        ("coupons.update", {"currency_options": {}}, True),
        ("prices.update", {"active": False}, False),
        ("prices.update", {"currency_options": {}}, True),
        ("prices.update", {"tax_behavior": "exclusive"}, True),
        ("refunds.cancel", {}, False),
        ("issuing.cards.create", {"currency": "usd"}, True),
    ],
)
def test_moves(name: str, said: dict[str, object], moves: bool) -> None:
    """A write moves money by its arguments: a balance is a credit, a description is none."""
    spec = STRIPE[name]
    arguments = {(Place.PATH, "id"): "x_1", **{(Place.BODY, argument): value for argument, value in said.items()}}
    assert may_move(Operation(spec, arguments)) is moves


def test_answers_tell() -> None:
    """Where an answer tells what was moved, it tells it at one place, beside its currency."""
    told = {spec.name: spec.amount.answered for spec in STRIPE.values() if spec.amount and spec.amount.answered}
    assert set(told.values()) == {("/amount", "/currency")}
    # What tells more than one call's share, or less than what may come of it, is not among them.
    assert not told.keys() & {"invoices.pay", "payment_intents.capture", "charges.capture", "payment_intents.confirm"}


def test_moved_beside() -> None:
    """What moves as much once more, beside the amount, is known by name."""
    beside = {spec.name: spec.amount.again for spec in STRIPE.values() if spec.amount and spec.amount.again}
    assert beside == {
        "refunds.create": ("refund_application_fee", "reverse_transfer"),
        "transfers.reversals.create": ("refund_application_fee",),
    }


def test_payable_invoices() -> None:
    """What an invoice still asks for is known once it is no draft, also where it was given up on."""
    (subject,) = STRIPE["invoices.pay"].subjects
    assert subject.where == (("/status", ("open", "uncollectible")),)


TABLE = b"""{
"format":1,"name":"pets","source":"test","servers":{},
"operations":[
{"name":"pets.get","method":"GET","path":"/pets/{id}","base":"api","effect":"read","content":{},"arguments":{"path":{"id":"string"}}},
{"name":"pets.sell","method":"POST","path":"/pets/{id}/sell","base":"api","effect":"write","content":{"application/json":"json"},"arguments":{"path":{"id":"string"},"body":{"price":"integer","rate":"number","text":"string","here":"boolean","lines":"array"}}}
]}"""


def compiled(operation: str, dialect: str = "{}") -> Any:
    """
    Return the operation `pets.sell` with this curation.
    """
    overlay = f"format: 1\ndialect: {dialect}\noperations:\n  pets.sell: {operation}\n"
    return compile_catalog(TABLE, overlay.encode()).operations["pets.sell"]


SUBJECT = "subjects: [{by: id, place: path, operation: pets.get, parameter: id, currency: /c, bound: [+/p]}]"
LINES = "lines: {amount: [/a], currency: /c, only: [a, c]}"

FAULTS = [
    ("{moves: nothing, amount: {argument: price}}", "it has an amount, and moves nothing"),
    ("{moves: unbounded, amount: {argument: price}}", "it has an amount, and moves unbounded"),
    ("{moves: {nothing_with: [prise]}}", "it has no argument `prise`"),
    ("{moves: {nothing_with: [id]}}", "it has no argument `id`"),
    ("{moves: some}", "moves"),
    ("{amount: {argument: prise}}", "it has no body argument `prise`"),
    ("{amount: {argument: rate}}", "the amount `rate` is no integer"),
    ("{amount: {argument: text}}", "the amount `text` is no integer"),
    ("{amount: {argument: here, decimals: units}}", "the amount `here` is no integer"),
    ("{amount: {argument: price, times: rat}}", "it has no body argument `rat`"),
    (f"{{amount: {{argument: price, {LINES}}}}}", "no list that says everything itself"),
    (f"{{amount: {{argument: lines, times: price, {LINES}}}}}", "no list that says everything itself"),
    ("{amount: {argument: lines}}", "the amount `lines` is no integer"),
    ("{amount: {argument: price, again: [her]}}", "it has no body argument `her`"),
    ("{amount: {}}", "needs a subject that bounds it"),
    (f"{{amount: {{}}, {SUBJECT.replace(', bound: [+/p]', '')}}}", "needs a subject that bounds it"),
    (f"{{amount: {{times: price}}, {SUBJECT}}}", "no argument to put together"),
]


@pytest.mark.parametrize(("operation", "fault"), FAULTS)
def test_faults(operation: str, fault: str) -> None:
    """A curated word about money that binds nothing is a fault."""
    with pytest.raises(CatalogFault) as found:
        compiled(operation)
    assert fault in str(found.value)


def test_compiled() -> None:
    """What an overlay says about money is what the operation knows."""
    assert not compiled("{note: x}").moves_nothing
    assert compiled("{note: x}", "{money: none}").moves_nothing
    assert not compiled("{moves: unbounded}", "{money: none}").moves_nothing
    assert not compiled("{amount: {argument: price}}", "{money: none}").moves_nothing
    harmless = compiled("{moves: {nothing_with: [text]}}", "{shaping: [fields]}").harmless
    assert harmless == {"text", "fields"}
    # A body that nobody reads could say anything.
    opaque = "{moves: {nothing_with: [text]}, content: {'*/*': opaque}}"
    assert compiled(opaque).harmless == frozenset()
    where = f"{{amount: {{}}, {SUBJECT.replace('bound', 'where: {/s: [open, due]}, bound')}}}"
    assert compiled(where).subjects[0].where == (("/s", ("open", "due")),)
    offered = compiled(f"{{amount: {{argument: lines, offered: true, {LINES}}}, effect_key: 'cart:{{lines}}'}}")
    assert (offered.moves_money, offered.effect_window_s) == (False, 60)
