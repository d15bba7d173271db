from __future__ import annotations

import ast
import asyncio
import base64
import http.client
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import h11
import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.installation import ROOT, environment
from loadtest.upstreams.stripe import Drip, Fault, HangUp, Malformed, Status, StripeSandbox
from loadtest.upstreams.stripe.malformed import CONTENTS, MANNERS
from tests.clients.compare import Step
from tests.clients.script import everywhere, on_the_sandbox
from tests.clients.sdk import ClientStyle, GlobalStyle, Player, Sdk, client_style, error_of, global_style
from tests.harness import in_thread

SECRET = "upstream-secret-canary"
STYLES = [pytest.param(global_style, id="global"), pytest.param(client_style, id="client")]
START_S = 30


@pytest.fixture
def upstream() -> Iterator[StripeSandbox]:
    with in_thread(StripeSandbox(secret=SECRET)) as sandbox:
        yield sandbox


@pytest.fixture
def sdk(upstream: StripeSandbox) -> Iterator[ClientStyle]:
    with client_style(upstream.url, upstream.url, SECRET) as style:
        yield style


@pytest.fixture
def patient(upstream: StripeSandbox) -> Iterator[GlobalStyle]:
    with global_style(upstream.url, upstream.url, SECRET) as style:
        yield style


def post(upstream: StripeSandbox, path: str, body: str, key: str | None, method: str = "POST") -> tuple[int, Any, Any]:
    """
    Send one request without an SDK.
    """
    where = urlsplit(upstream.url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=START_S)
    headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/x-www-form-urlencoded"}
    try:
        connection.request(method, path, body, headers | ({} if key is None else {"Idempotency-Key": key}))
        answer = connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())
    finally:
        connection.close()


def paid(sdk: Sdk, amount: int = 1000) -> str:
    made = sdk.create("payment_intents", amount=amount, currency="usd", payment_method="pm_card_visa", confirm=True)
    return str(made.latest_charge)


# ------------------------------------------------------------------------------------------ the same script, no proxy

OUTCOMES = {
    "paginate": ("pages", None, None),
    "delete": ("deleted", None, None),
    "cancel again": ("error", "InvalidRequestError", 400),
    "400": ("error", "InvalidRequestError", 400),
    "402": ("error", "CardError", 402),
    "404": ("error", "InvalidRequestError", 404),
    "404 of a charge": ("error", "InvalidRequestError", 404),
    "404 without a route": ("error", "InvalidRequestError", 404),
    "400 refunded": ("error", "InvalidRequestError", 400),
    "v2 404": ("error", "InvalidRequestError", 404),
    "500 of a read": ("error", "APIError", 500),
    "502 of a read": ("error", "APIError", 502),
    "503 of a read": ("error", "APIError", 503),
    "402 of a write": ("error", "CardError", 402),
    "403 of a write": ("error", "PermissionError", 403),
    "409 of a write": ("error", "APIError", 409),
    "429 of a write": ("error", "RateLimitError", 429),
    "429 of a read": ("error", "RateLimitError", 429),
}


def outcome(step: Step) -> tuple[str, str | None, int | None]:
    return (step.kind, step.answer["class"], step.answer["status"]) if step.kind == "error" else (step.kind, None, None)


@pytest.mark.parametrize("style", STYLES)
def test_whole_script(upstream: StripeSandbox, style: Callable[..., Any]) -> None:
    """Both styles of the SDK create, read, update, paginate, delete and meet an error of each kind."""
    with style(upstream.url, upstream.url, SECRET) as sdk:
        play = Player(sdk)
        everywhere(play)
        on_the_sandbox(play, upstream)
    for step in play.steps:
        expected = OUTCOMES.get(step.name, ("list" if step.name.split()[-1] in LISTS else "object", None, None))
        assert outcome(step) == expected, step
    assert set(OUTCOMES) - {"v2 404"} <= {step.name for step in play.steps}
    assert upstream.account.effects["refund.created"] == 3


LISTS = {"list", "charges", "refunds"}

# --------------------------------------------------------------------------------------------------- Idempotency-Key


def test_replay(upstream: StripeSandbox) -> None:
    """The same key and parameters are answered alike, marked as replayed, and done once."""
    first = post(upstream, "/v1/customers", "email=a@b.test&name=A", "k1")
    again = post(upstream, "/v1/customers", "name=A&email=a%40b.test", "k1")
    assert (again[0], again[2]) == (first[0], first[2]) == (200, first[2])
    assert (first[1]["Idempotent-Replayed"], again[1]["Idempotent-Replayed"]) == (None, "true")
    assert upstream.effects_by_key["k1"] == {"customer.created": 1}


@pytest.mark.parametrize(("path", "body"), [("/v1/customers", "name=B"), ("/v1/charges", "name=A")])
def test_key_reused(upstream: StripeSandbox, path: str, body: str) -> None:
    """The same key with other parameters, or on another path, is an idempotency error and changes nothing."""
    post(upstream, "/v1/customers", "name=A", "k1")
    status, _, answer = post(upstream, path, body, "k1")
    assert (status, answer["error"]["type"]) == (400, "idempotency_error")
    assert upstream.account.effects.total() == 1


def test_key_in_use(upstream: StripeSandbox) -> None:
    """A second request under a key whose first is still running is a conflict."""
    upstream.faults.add(Fault(applied=True, held=True))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(post, upstream, "/v1/customers", "name=A", "k1")
        assert upstream.faults.holding.wait(START_S)
        second = post(upstream, "/v1/customers", "name=A", "k1")
        upstream.faults.release()
        assert first.result()[0] == 200
    assert (second[0], second[2]["error"]["code"]) == (409, "idempotency_key_in_use")


@pytest.mark.parametrize("body", ["nonsense=1", "email=nobody", "balance=x"])
def test_invalid_not_kept(upstream: StripeSandbox, body: str) -> None:
    """A request that did not validate leaves its key free."""
    assert post(upstream, "/v1/customers", body, "k1")[0] == 400
    assert post(upstream, "/v1/customers", "name=A", "k1")[0] == 200


@pytest.mark.parametrize(
    ("fault", "repeat", "done"),
    [
        (Fault(Status(500), applied=True), (500, "true"), 1),
        (Fault(Status(500), applied=True, method="POST", path="/v1/c*"), (500, "true"), 1),
        (Fault(Status(500, stored=True)), (500, "true"), 0),
        (Fault(Status(500, stored=False), applied=True), (200, "true"), 1),
        (Fault(Status(500)), (200, None), 1),
        (Fault(Status(429)), (200, None), 1),
        (Fault(Status(409, code="lock_timeout")), (200, None), 1),
    ],
)
def test_failure_kept(upstream: StripeSandbox, fault: Fault, repeat: tuple[int, str | None], done: int) -> None:
    """A failure from execution is replayed as it was; one from before it is not remembered."""
    upstream.faults.add(fault)
    assert isinstance(fault.act, Status)
    assert post(upstream, "/v1/customers", "name=A", "k1")[0] == fault.act.status
    status, headers, _ = post(upstream, "/v1/customers", "name=A", "k1")
    assert (status, headers["Idempotent-Replayed"]) == repeat
    assert upstream.account.effects["customer.created"] == done


def test_decline_kept(upstream: StripeSandbox) -> None:
    """A declined card is declined again under its key, without a second attempt."""
    body = "amount=500&currency=usd&source=tok_chargeDeclined"
    answers = [post(upstream, "/v1/charges", body, "k1") for _ in range(2)]
    assert [status for status, _, _ in answers] == [402, 402]
    assert upstream.account.effects == {"charge.failed": 1}


@pytest.mark.parametrize(("method", "statuses"), [("DELETE", [200, 404]), ("GET", [200, 200])])
def test_key_ignored(upstream: StripeSandbox, method: str, statuses: list[int]) -> None:
    """A key means nothing on a read or a deletion."""
    id_ = post(upstream, "/v1/customers", "name=A", None)[2]["id"]
    assert [post(upstream, f"/v1/customers/{id_}", "", "k1", method)[0] for _ in range(2)] == statuses


# --------------------------------------------------------------------------------------------------- the SDK's retries


@pytest.mark.parametrize(
    ("act", "applied"),
    [
        (HangUp(), True),
        (HangUp(), False),
        (HangUp(reset=True), True),
        (Status(500), False),
        (Status(503), False),
        (Status(409, code="lock_timeout"), False),
        (Malformed("not-http"), True),
    ],
)
def test_retry_once(upstream: StripeSandbox, patient: GlobalStyle, act: Any, applied: bool) -> None:
    """The SDK sends a lost refund again under its key, and it is made once."""
    charge = paid(patient)
    upstream.wiretap.clear()
    upstream.faults.add(Fault(act, applied=applied))
    assert patient.create("refunds", charge=charge, amount=100).amount == 100
    assert upstream.wiretap.count("POST", "/v1/refunds") == 2
    assert len({seen.header("Idempotency-Key") for seen in upstream.wiretap.requests}) == 1
    assert upstream.account.effects["refund.created"] == 1


def test_retries_end(upstream: StripeSandbox, patient: GlobalStyle) -> None:
    """A refund whose execution failed is failed at every retry, and was made once."""
    charge = paid(patient)
    upstream.faults.add(Fault(Status(500), applied=True))
    with pytest.raises(stripe.APIError) as raised:
        patient.create("refunds", charge=charge, amount=100)
    assert error_of(raised.value)["headers"]["idempotent-replayed"] == "true"
    assert (upstream.wiretap.count("POST", "/v1/refunds"), upstream.account.effects["refund.created"]) == (3, 1)


def test_no_retry(upstream: StripeSandbox, sdk: ClientStyle) -> None:
    """A client that was not told to retry makes one request."""
    upstream.faults.add(Fault(HangUp()))
    with pytest.raises(stripe.APIConnectionError):
        sdk.create("customers", name="A")
    assert len(upstream.wiretap.requests) == 1


# -------------------------------------------------------------------------------------------------------- what it keeps


@settings(max_examples=20, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(1, 900)), max_size=6))
def test_refunds_bounded(amounts: list[int | None]) -> None:
    """Whatever is asked for, a charge never gives back more than it took, and an absent amount is the rest."""
    with ExitStack() as stack:
        upstream = stack.enter_context(in_thread(StripeSandbox(secret=SECRET)))
        sdk = stack.enter_context(client_style(upstream.url, upstream.url, SECRET))
        charge, left = paid(sdk), 1000
        for amount in amounts:
            wanted = left if amount is None else amount
            arguments = {} if amount is None else {"amount": amount}
            if left and wanted <= left:
                left -= sdk.create("refunds", charge=charge, **arguments).amount
                continue
            with pytest.raises(stripe.InvalidRequestError) as refused:
                sdk.create("refunds", charge=charge, **arguments)
            assert (left == 0) == (refused.value.code == "charge_already_refunded")
        assert sdk.retrieve("charges", charge).amount_refunded == 1000 - left
        assert left >= 0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 9), st.integers(1, 10))
def test_pages_complete(count: int, limit: int) -> None:
    """Pages of any size, walked either way, show every object once and in order."""
    with ExitStack() as stack:
        upstream = stack.enter_context(in_thread(StripeSandbox(secret=SECRET)))
        sdk = stack.enter_context(client_style(upstream.url, upstream.url, SECRET))
        made = [sdk.create("customers", name=str(n)).id for n in range(count)]
        page = sdk.list("customers", limit=limit)
        assert [each.id for each in page.auto_paging_iter()] == made[::-1]
        if count:
            backwards = sdk.list("customers", limit=limit, ending_before=made[0])
            assert [each.id for each in backwards.auto_paging_iter()] == made[1:]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "starting_after=cus_no", "starting_after=a&ending_before=b", "nonsense=1"],
)
def test_bad_page(upstream: StripeSandbox, query: str) -> None:
    """A page that Stripe would not cut is refused."""
    assert post(upstream, f"/v1/customers?{query}", "", None, "GET")[0] == 400


@pytest.mark.parametrize("key", [None, "Bearer wrong", "Basic " + base64.b64encode(b"wrong:").decode(), "wrong"])
def test_unauthenticated(upstream: StripeSandbox, key: str | None) -> None:
    """Nobody gets in without the account's own key."""
    request = urllib.request.Request(
        f"{upstream.url}/v1/customers", headers={} if key is None else {"Authorization": key}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
    with refused.value as answer:
        assert answer.code == 401


# ------------------------------------------------------------------------------------------------------------- faults


def test_seeded_rate(upstream: StripeSandbox) -> None:
    """Failures at a rate are the same ones for the same seed, and about as many as asked."""

    def drawn(seed: int) -> list[bool]:
        faults = StripeSandbox(seed=seed).faults
        faults.add(Fault(Status(503), rate=0.3, times=None))
        return [faults.draw("GET", "/") is not None for _ in range(1000)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert 240 < sum(drawn(1)) < 360


def test_next_few(upstream: StripeSandbox) -> None:
    """A fault for the next two requests of a kind meets those two and no other."""
    upstream.faults.add(Fault(Status(503), times=2, method="GET", path="/v1/customers*"))
    paths = ["/v1/charges", "/v1/customers", "/v1/customers?limit=1", "/v1/customers"]
    assert [post(upstream, path, "", None, "GET")[0] for path in paths] == [200, 503, 503, 200]


def test_dripping(upstream: StripeSandbox) -> None:
    """A dripping answer is whole in the end."""
    upstream.faults.add(Fault(Drip(chunk=200, pause_s=0.001)))
    assert post(upstream, "/v1/customers", "name=A", None)[2]["name"] == "A"


PARSED = {
    "gzip": "whole",
    "gzip-broken": "whole",
    "not-json": "whole",
    "early-hints": "whole",
    "second-response": "whole and more",
    "length-and-chunked": "whole",
    "switching-protocols": "refused",
    "two-lengths": "refused",
    "oversized-header": "refused",
    "many-headers": "refused",
    "truncated-body": "refused",
    "truncated-chunk": "refused",
    "bad-chunk": "refused",
    "not-http": "refused",
    "header-injection": "refused",
}


def read_with_h11(upstream: StripeSandbox) -> str:
    """
    Send one request and say what a strict parser makes of the answer.
    """

    async def talk() -> str:
        where = urlsplit(upstream.url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        parser = h11.Connection(h11.CLIENT)
        headers = [("Host", "x"), ("Authorization", f"Bearer {SECRET}")]
        writer.write(parser.send(h11.Request(method="GET", target="/v1/customers", headers=headers)) or b"")
        parser.send(h11.EndOfMessage())
        try:
            while True:
                event = parser.next_event()
                if event is h11.NEED_DATA:
                    parser.receive_data(await reader.read(1 << 16))
                elif isinstance(event, h11.EndOfMessage):
                    return "whole and more" if parser.trailing_data[0] else "whole"
                elif event is h11.PAUSED:
                    return "refused"
        except h11.RemoteProtocolError:
            return "refused"
        finally:
            writer.close()
            await writer.wait_closed()

    return asyncio.run(talk())


@pytest.mark.parametrize("manner", [*MANNERS, *CONTENTS])
def test_malformed(upstream: StripeSandbox, manner: str) -> None:
    """Each malformed answer is what its name says to a parser that has nothing to do with the sandbox."""
    upstream.faults.add(Fault(Malformed(manner)))
    assert read_with_h11(upstream) == PARSED[manner]
    assert read_with_h11(upstream) == "whole"


# ---------------------------------------------------------------------------------------------------- what it has seen


@pytest.mark.parametrize(
    "header",
    ["Bearer agent-key-canary", "token agent-key-canary"]
    + [
        "Basic " + base64.b64encode(pair).decode()
        for pair in (b"agent-key-canary:", b"x:agent-key-canary", b"xy:agent-key-canary")
    ],
)
def test_key_found(upstream: StripeSandbox, header: str) -> None:
    """A key that arrived is found, plainly or inside base64; one that did not arrive is not."""
    request = urllib.request.Request(f"{upstream.url}/v1/customers", headers={"Authorization": header})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
    refused.value.close()
    assert upstream.wiretap.contains("agent-key-canary")
    assert not upstream.wiretap.contains("agent-key-canard")


def test_request_as_it_came(upstream: StripeSandbox) -> None:
    """A request is written down as its bytes were: target undecoded, body untouched."""
    post(upstream, "/v1/customers?a=%7E&b=+", "x=%zz&&", "k1")
    seen = upstream.wiretap.requests[-1]
    assert (seen.target, seen.body, seen.header("idempotency-key")) == ("/v1/customers?a=%7E&b=+", b"x=%zz&&", "k1")


# ---------------------------------------------------------------------------------------------------------- the process


def test_as_process(tmp_path: Path) -> None:
    """As a process it prints its address, is commanded over HTTP, and ends cleanly on SIGTERM."""
    with subprocess.Popen(
        [sys.executable, "-m", "loadtest.upstreams.stripe", "--port", "0"],
        env=environment(tmp_path, {"STRIPE_SECRET": SECRET}),
        cwd=ROOT,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            upstream = StripeSandbox()
            upstream.url = json.loads(process.stdout.readline())["url"]
            commands: list[tuple[str, str, dict[str, object] | None]] = [
                ("POST", "faults", {"act": {"status": 503}, "times": 1}),
                ("POST", "faults", {"act": {"explode": 1}}),
            ]
            statuses = [post(upstream, f"/_sandbox/{p}", json.dumps(body), None, m)[0] for m, p, body in commands]
            assert statuses == [200, 400]
            answers = [post(upstream, "/v1/customers", "name=A", "k1")[0] for _ in range(2)]
            assert answers == [503, 200]
            counted = post(upstream, "/_sandbox/effects", "", None, "GET")[2]
            assert counted == {"effects": {"customer.created": 1}, "by_key": {"k1": {"customer.created": 1}}}
            found = post(upstream, "/_sandbox/contains", json.dumps({"secret": SECRET}), None)[2]
            assert found == {"contains": True}
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(START_S) == 0


def test_imports_nothing_of_ours() -> None:
    """The sandbox stands on the standard library and aiohttp alone."""
    roots = set()
    for path in (ROOT / "loadtest" / "upstreams").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                roots.add(
                    str(node.module) if str(node.module).startswith("loadtest") else str(node.module).split(".")[0]
                )
            elif isinstance(node, ast.Import):
                roots |= {alias.name.split(".")[0] for alias in node.names}
    ours = {name for name in roots if not name.startswith("loadtest.upstreams")}
    assert ours <= set(sys.stdlib_module_names) | {"aiohttp"}
