from __future__ import annotations

import ast
import asyncio
import base64
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import h11
import pytest

from loadtest.installation import ROOT, environment
from loadtest.upstreams.malformed import CONTENTS, MANNERS
from loadtest.upstreams.stripe import Drip, Fault, Malformed, Status, StripeSandbox
from tests.loadtest.plain import SECRET, WAIT_S, post


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
    "garbage": "refused",
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
        assert process.wait(WAIT_S) == 0


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
