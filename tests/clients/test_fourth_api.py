"""
A fourth API needs no Python: a description in YAML and an overlay, imported, served and judged like the bundled three.

The box office stands nowhere in the program. Its description and what a person knows beyond it are in `fourth/`; the
server below is its upstream, and the only thing here that knows how a box office works.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from loadtest.installation import Breakwater, agent
from loadtest.upstreams.answer import Answer, Refusal
from loadtest.upstreams.faults import Status
from loadtest.upstreams.sandbox import Sandbox
from loadtest.upstreams.wiretap import Seen
from tests.canary.forms import secret
from tests.harness import in_thread, minted

FOURTH = Path(__file__).parent / "fourth"
SECRET = secret("office")

ALLOWED = {
    "events.list": {},
    "orders.get": {},
    "orders.create": {"limit": {"price": "1..50 EUR"}},
    "orders.update": {"only": {"seat": ["A1", "A2"]}},
    "orders.refund": {"limit": {"amount": "1..20 EUR"}},
}

# A read's entry and a change are written off the road; a look at the ledger takes a good part of a second.
LOOKS_MAX = 8

pytestmark = pytest.mark.slow


class Rejected(Refusal):
    """
    The box office's own way to say no.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status

    def answer(self) -> Answer:
        """
        Return the refusal as the box office words it.
        """
        return Answer.of(self.status, {"fault": {"word": "rejected", "text": "no"}})


class BoxOffice(Sandbox):
    """
    A box office: events, and orders that can be made, moved to another seat and refunded.
    """

    def reset(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self._effects: Counter[str] = Counter()

    @property
    def effects(self) -> Counter[str]:
        return self._effects

    def authenticate(self, seen: Seen) -> None:
        if seen.header("X-Office-Key") != f"token {self.secret}":
            raise Rejected(401)

    def failed(self, status: Status) -> Answer:
        raise NotImplementedError

    def work(self, seen: Seen) -> Answer:
        sent = json.loads(seen.body or b"{}")
        match seen.method, seen.path.split("/")[2:]:
            case "GET", ["events"]:
                return Answer.of(200, {"events": [{"id": "ev_1", "city": "Porto"}]})
            case "POST", ["orders"]:
                order = {"id": f"or_{len(self.orders) + 1}", "refunded": 0, "revision": 1, "barcode": "990", **sent}
                self.orders[order["id"]] = order
                self._effects["order.created"] += 1
                return Answer.of(201, order)
            case "GET", ["orders", name] if name in self.orders:
                return Answer.of(200, self.orders[name])
            case "PATCH", ["orders", name] if name in self.orders:
                return self._changed(name, sent)
            case "POST", ["orders", name, "refund"] if name in self.orders:
                self._changed(name, {"refunded": self.orders[name]["refunded"] + sent["amount"]})
                return Answer.of(200, {"refunded": sent["amount"]})
        raise Rejected(404)

    def _changed(self, name: str, members: dict[str, Any]) -> Answer:
        order = self.orders[name]
        order |= {**members, "revision": order["revision"] + 1}
        self._effects["order.changed"] += 1
        return Answer.of(200, order)


SEATS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Desk:
    """
    Where the clerk works: Breakwater before the box office, and an HTTP client with an agent's key.
    """

    office: BoxOffice
    breakwater: Breakwater
    http: httpx.Client

    def record(self, answer: httpx.Response, until: str) -> dict[str, dict[str, Any]]:
        """
        Return what the ledger says of a call, by kind of entry, once one of the kind `until` is there.
        """
        records: dict[str, dict[str, Any]] = {}
        for _ in range(LOOKS_MAX):
            shown = self.breakwater.cli("ledger", "show", answer.headers["Breakwater-Call"], "--json")
            records = {record["entry"]["k"]: record for record in shown.json} if shown.code == 0 else {}
            if until in records:
                return records
        raise AssertionError(f"no {until} among {', '.join(records)}")

    def order(self) -> str:
        """
        Buy a seat for 40 EUR that nobody has bought, and return the order.
        """
        seat = f"B{next(SEATS)}"
        bought = self.http.post("/v1/orders", json={"event": "ev_1", "seat": seat, "price": 4000, "currency": "eur"})
        assert bought.status_code == 201, bought.text
        return str(bought.json()["id"])


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """
    Import the description with the program's own command, and serve it.
    """
    folder = tmp_path_factory.mktemp("fourth")
    with in_thread(BoxOffice(secret=SECRET)) as office:
        api = {"catalog": "boxoffice.table.json", "upstream": office.url, "credential": {"env": "OFFICE_KEY"}}
        document = {"apis": {"boxoffice": api}, "agents": {"clerk": agent({"boxoffice": ALLOWED}, loops=False)}}
        made = Breakwater(folder, document, {"OFFICE_KEY": SECRET})
        table = str(folder / "boxoffice.table.json")
        imported = made.cli("catalog", "import", str(FOURTH / "boxoffice.openapi.yaml"), "-o", table)
        assert imported.code == 0, imported.err
        shutil.copy(FOURTH / "boxoffice.overlay.yaml", folder)
        made.start()
        key = minted(made, "clerk")
        headers = {"Authorization": f"Bearer {key}"}
        try:
            with httpx.Client(base_url=made.doors["boxoffice"], headers=headers, trust_env=False) as http:
                yield Desk(office, made, http)
        finally:
            made.terminate()
        assert not office.wiretap.contains(key)


def test_read(counter: Desk) -> None:
    """A read that the card lists passes, with the API's own credential in the API's own header."""
    listed = counter.http.get("/v1/events", params={"city": "Porto"})
    assert listed.json() == {"events": [{"id": "ev_1", "city": "Porto"}]}
    assert counter.record(listed, "call.outcome")["call.outcome"]["entry"]["op"] == "events.list"


def test_write(counter: Desk) -> None:
    """A write within its limit is made, and the record says what it moved and what it made."""
    bought = counter.http.post("/v1/orders", json={"event": "ev_1", "seat": "A2", "price": 4000, "currency": "eur"})
    assert (bought.status_code, bought.json()["seat"]) == (201, "A2")
    record = counter.record(bought, "call.outcome")
    assert record["call.intent"]["entry"]["op"] == "orders.create"
    assert record["call.intent"]["entry"]["moves"] == {"micros": "40000000", "currency": "EUR"}
    assert record["call.outcome"]["entry"]["eff"] == "applied"


REFUSED = [
    ("POST", "/v1/orders", {"seat": "A1", "price": 5001, "currency": "eur"}, 403, "limit-exceeded"),
    ("POST", "/v1/orders", {"seat": "A1", "price": 100, "currency": "eur", "discount": 1}, 400, "argument-undeclared"),
    ("PATCH", "/v1/orders/{order}", {"seat": "Z9"}, 403, "not-allowed"),
    ("POST", "/v1/orders/{order}/refund", {"amount": 2001}, 403, "limit-exceeded"),
    ("DELETE", "/v1/orders/{order}", None, 403, "not-allowed"),
    ("GET", "/v1/tickets", None, 403, "operation-unknown"),
]


@pytest.mark.parametrize(("method", "path", "sent", "status", "reason"), REFUSED)
def test_refused(counter: Desk, method: str, path: str, sent: Any, status: int, reason: str) -> None:
    """What the card does not allow changes nothing, and is refused in the box office's own shape."""
    order = counter.order()
    before = counter.office.effects.copy()
    refused = counter.http.request(method, path.format(order=order), json=sent)
    assert (refused.status_code, refused.json()["fault"]["reason"]) == (status, reason)
    assert refused.json().keys() == {"fault", "details"}
    assert refused.json()["fault"]["word"] == "rejected"
    assert counter.office.effects == before


def test_bound(counter: Desk) -> None:
    """A refund without an amount is all that is left, which its subject tells in the order's own currency."""
    path = f"/v1/orders/{counter.order()}/refund"
    refused = counter.http.post(path, json={})
    assert refused.json()["fault"]["reason"] == "limit-exceeded"
    assert "40.00 EUR" in refused.json()["fault"]["text"]
    given = counter.http.post(path, json={"amount": 1500})
    assert given.status_code == 200
    assert counter.record(given, "call.intent")["call.intent"]["entry"]["moves"] == {
        "micros": "15000000",
        "currency": "EUR",
    }


def test_change(counter: Desk) -> None:
    """The record of a write has its diff: what was asked for, what is known to follow, and how to take it back."""
    order = counter.order()
    moved = counter.http.patch(f"/v1/orders/{order}", json={"seat": "A2"})
    assert moved.json()["seat"] == "A2"
    change = counter.record(moved, "change.recorded")["change.recorded"]
    assert change["entry"]["acts"] == ["update"]
    paths = change["payloads"]["paths"]["json"]
    assert (paths["requested"], paths["expected"], paths["unexpected"]) == (["/order/seat"], ["/order/revision"], [])
    assert "barcode" not in json.dumps(change["payloads"]["after"]["json"])


def test_shown(counter: Desk) -> None:
    """What is curated of the fourth API is told from what is only generated."""
    shown = counter.breakwater.cli("catalog", "show", str(counter.breakwater.folder / "boxoffice.table.json"), "--json")
    assert {row["name"]: row["curated"] for row in shown.json} == {
        "events.list": False,
        "orders.create": True,
        "orders.delete": False,
        "orders.get": False,
        "orders.refund": True,
        "orders.update": True,
    }
    made = next(row for row in shown.json if row["name"] == "orders.create")
    assert (made["amount"], made["effect_key"], made["touches"][0]["type"]) == (
        "price",
        "order:{event}:{seat}",
        "order",
    )
    assert made["undo"] == {"operation": "orders.refund", "with": {"order": "answer/id"}}
