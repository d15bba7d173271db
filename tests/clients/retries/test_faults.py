from __future__ import annotations

from collections import Counter

import pytest

from loadtest.upstreams.faults import Fault, HangUp, Status
from tests.clients.retries.asking import Door
from tests.clients.retries.stand import APIS, SECRETS, Client, Stand
from tests.conftest import Figure

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

NAMES = tuple(APIS)

# The write is done, and then its answer is lost in one of the ways in which answers are.
FAULTS = {
    "drops": Fault(HangUp(), applied=True, method="POST"),
    "resets": Fault(HangUp(reset=True), applied=True, method="POST"),
    "times out": Fault(applied=True, method="POST", delay_s=1.2),
    "answers 500": Fault(Status(500), applied=True, method="POST"),
}

# Stripe remembers the answer under the key, and gives it to a re-send of the same bytes.
FOUND_AT_ONCE = {("stripe", "drops"), ("stripe", "resets")}

# What an SDK shows of the two answers in which a write's end is not known yet.
OURS = ("outcome-unknown", "idempotency-in-flight")

# Those whose own retries make two of it where nothing stands in between.
DOUBLES = {
    "PyGithub": {"drops", "resets", "times out", "answers 500"},
    "githubkit": {"answers 500"},
    "octokit with plugin-retry": {"drops", "resets", "times out", "answers 500"},
    "jira": {"drops", "resets"},
}


def failed(on: Stand, client: Client, fault: str) -> None:
    """The next write to a client's API is done, and its answer lost."""
    upstream = on.upstreams[client.api]
    upstream.faults.clear()
    upstream.faults.add(FAULTS[fault])


@pytest.mark.parametrize("name", NAMES)
def test_answer_lost(on: Stand, name: str, figure: Figure) -> None:
    """An SDK with its own retries has one effect, ends with the object or our sentence, and has the object later."""
    client, seen = on.clients[name], Counter[str]()
    for fault in FAULTS:
        before = on.effects(client)
        failed(on, client, fault)
        told = client.ask(on.door(client), f"{name} {fault}")
        assert on.effects(client) == before + 1, fault
        assert told.made or any(reason in told.error for reason in OURS), f"{fault}: {told.error}"
        assert told.made or (client.api, fault) not in FOUND_AT_ONCE, told.error
        seen["objects" if told.made else "sentences"] += 1
    on.resolved()
    before = on.effects(client)
    for fault in FAULTS:
        told = client.ask(on.door(client), f"{name} {fault}")
        # A Stripe SDK's next call has a key of its own: it is another call, and the effect is the same.
        assert told.made or (client.api == "stripe" and "duplicate-suspected" in told.error), f"{fault}: {told.error}"
    assert on.effects(client) == before
    for kind, count in seen.items():
        figure(f"retries {name}, {kind}", count)


@pytest.mark.parametrize("name", [name for name in NAMES if APIS[name] != "stripe"])
def test_one_request(on: Stand, name: str) -> None:
    """Where a vendor honours no key, nobody sends again after a 503: one request is on the wire, whatever the SDK."""
    client = on.clients[name]
    upstream = on.upstreams[client.api]
    upstream.faults.clear()
    upstream.faults.add(Fault(Status(503), applied=True, method="POST"))
    before = sum(seen.method == "POST" for seen in upstream.wiretap.requests)
    told = client.ask(on.door(client), f"{name} answers 503")
    assert sum(seen.method == "POST" for seen in upstream.wiretap.requests) == before + 1
    assert told.made or any(reason in told.error for reason in OURS), told.error
    on.resolved()


@pytest.mark.parametrize("name", NAMES)
def test_impatient(on: Stand, name: str) -> None:
    """An SDK that hangs up before a slow answer, and asks again, joins its own write."""
    client = on.clients[name]
    before = on.effects(client)
    on.upstreams[client.api].faults.clear()
    on.upstreams[client.api].faults.add(Fault(applied=True, method="POST", delay_s=0.25))
    hurried = client.ask(on.door(client, patience_s=0.15), f"{name} in a hurry")
    told = client.ask(on.door(client), f"{name} in a hurry")
    # Once its own retry has had the object, or under a new key of a Stripe SDK, the same once more is a duplicate.
    assert bool(told.made) is not (bool(hurried.made) or client.api == "stripe"), told
    assert told.made or "duplicate-suspected" in told.error, told.error
    assert on.effects(client) == before + 1


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", DOUBLES)
def test_without_us(on: Stand, name: str, fault: str) -> None:
    """The same SDKs straight at the same API do make two of it: what the other tests look for can happen."""
    client = on.clients[name]
    upstream, before = on.upstreams[client.api], on.effects(client)
    failed(on, client, fault)
    client.ask(Door(upstream.url, SECRETS[client.api], patience_s=0.4), f"{name} {fault}, alone")
    assert (on.effects(client) > before + 1) == (fault in DOUBLES[name])
