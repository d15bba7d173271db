"""Calls while their credential is rotated: each one holds one version from its record to its end, and none fails."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from breakers.store.protocol import Permit
from loadtest.installation import agent
from loadtest.upstreams.faults import Fault
from loadtest.upstreams.stripe import StripeSandbox
from loadtest.upstreams.wiretap import Seen
from tests.canary.forms import secret
from tests.proxy.road import Road, call_of, charged, road, soon
from tests.proxy.scripted import Scripted, answer, scripted
from tests.proxy.sealed import put_here
from tests.wire.client import Answer

CANARY = secret("vault-calls")
# The same read over and over is what these tests do.
CARDS = {"support": agent({"stripe": {"customers.*": {}, "charges.retrieve": {}, "refunds.create": {}}}, loops=False)}

LANES = 6
ROTATIONS = 12


def text(number: int) -> str:
    return f"{CANARY}-{number}"


class Lenient(StripeSandbox):
    """
    An account that takes any version of its key, as a vendor does while an old one has not expired.
    """

    def authenticate(self, seen: Seen) -> None:
        self.secret = (seen.header("Authorization") or "").removeprefix("Bearer ")
        assert self.secret.startswith(CANARY)


def sealed_api(url: str) -> dict[str, object]:
    bases = ("api", "files", "meter_events")
    return {"catalog": "stripe", "upstream": dict.fromkeys(bases, url), "credential": {"vault": "stripe"}}


@asynccontextmanager
async def sealed_road(folder: Path, url: str) -> AsyncIterator[Road]:
    """
    Give a road whose credential is in the vault, in its first version.
    """
    await put_here(folder, "stripe", text(1))
    async with road(folder, url, apis={"stripe": sealed_api(url)}, agents=CARDS, secret=CANARY) as on:
        yield on


async def rotate(on: Road, number: int) -> None:
    """
    Rotate over the admin door.
    """
    said = await on.admin("POST", "/v1/vault/stripe/versions", {"secret": text(number)})
    assert (said.status, said.json) == (201, {"name": "stripe", "version": number})


def shown(seen: Seen) -> str:
    """
    Return the version that a request carried: its place in the line of secrets, as the record names it.
    """
    values = [value.decode() for name, value in seen.headers if name.lower() == b"authorization"]
    assert len(values) == 1
    return f"stripe@{values[0].removeprefix(f'Bearer {CANARY}-')}"


def number_of(seen: Seen) -> str:
    return dict(parse_qsl(seen.body.decode()))["metadata[n]"]


async def test_rotated_under_load(tmp_path: Path) -> None:
    """Many calls, many rotations: every request carries one version, the one on its record, and no call fails."""
    async with Lenient() as sandbox, sealed_road(tmp_path, sandbox.url) as on:
        done = asyncio.Event()
        calls: dict[str, Answer] = {}
        reads: list[Answer] = []

        async def lane(number: int) -> None:
            turn = 0
            while not done.is_set():
                turn += 1
                mark = f"{number}-{turn}"
                calls[mark] = await on.ask("POST", "/v1/customers", form={"metadata[n]": mark})
                reads.append(await on.ask("GET", "/v1/customers"))

        lanes = [asyncio.create_task(lane(number)) for number in range(LANES)]
        for number in range(2, ROTATIONS + 2):
            await rotate(on, number)
            await soon(partial(more_than, calls, len(calls)))
        done.set()
        await asyncio.gather(*lanes)
        assert {answer.status for answer in (*calls.values(), *reads)} == {200}
        sent = {number_of(seen): shown(seen) for seen in sandbox.wiretap.requests if seen.method == "POST"}
        recorded = {mark: await cred(on, answer) for mark, answer in calls.items()}
        assert recorded == sent
        used = Counter(sent.values())
        assert len(used) > ROTATIONS // 2
        assert set(used) <= {f"stripe@{number}" for number in range(1, ROTATIONS + 2)}


def more_than(calls: Mapping[str, Answer], count: int) -> bool:
    return len(calls) > count


async def cred(on: Road, answer: Answer) -> str:
    """
    Return the version that the record of a write's intent names.
    """
    (intent,) = [record.entry for record in await on.on_record(call_of(answer)) if record.kind == "call.intent"]
    return str(intent["cred"])


async def test_held_to_the_end(tmp_path: Path) -> None:
    """A write whose intent stands when it is rotated leaves under the old version; the next takes the new one."""
    async with Lenient() as sandbox, sealed_road(tmp_path, sandbox.url) as on:
        at_the_gate, let = asyncio.Event(), asyncio.Event()
        dispatch = on.rooms.store.dispatch

        async def held(*arguments: object) -> Permit:
            at_the_gate.set()
            await let.wait()
            return await dispatch(*arguments)  # type: ignore[arg-type] # what it was called with

        on.rooms.store.dispatch = held  # type: ignore[method-assign, assignment]
        first = asyncio.create_task(on.ask("POST", "/v1/customers", form={"metadata[n]": "1"}))
        await at_the_gate.wait()
        await rotate(on, 2)
        await on.admin("DELETE", "/v1/vault/stripe/versions/1")
        assert [path.name for path in (on.state / "vault").iterdir()] == ["stripe@2"]
        let.set()
        assert (await first).status == 200
        second = await on.ask("POST", "/v1/customers", form={"metadata[n]": "2"})
        assert [shown(seen) for seen in sandbox.wiretap.requests] == ["stripe@1", "stripe@2"]
        assert [await cred(on, answer) for answer in (await first, second)] == ["stripe@1", "stripe@2"]


async def test_look_and_write(tmp_path: Path) -> None:
    """A read that a judgement needs takes the version of its own moment, and the write after it its own."""
    limited = agent({"stripe": {"refunds.create": {"limit": {"amount": "0.50..100 USD"}}}})
    async with Lenient() as sandbox:
        await put_here(tmp_path, "stripe", text(1))
        apis = {"stripe": sealed_api(sandbox.url)}
        async with road(tmp_path, sandbox.url, apis=apis, agents={"support": limited}, secret=CANARY) as on:
            charge = charged(sandbox)
            sandbox.faults.add(Fault(method="GET", held=True))
            refund = asyncio.create_task(on.ask("POST", "/v1/refunds", form={"charge": charge, "amount": 100}))
            await soon(sandbox.faults.holding.is_set)
            await rotate(on, 2)
            sandbox.faults.release()
            assert (await refund).status == 200
            sent = [(seen.method, shown(seen)) for seen in sandbox.wiretap.requests]
            assert ("GET", "stripe@1") in sent
            assert [version for method, version in sent if method == "POST"] == ["stripe@2"]
            assert await cred(on, await refund) == "stripe@2"


async def test_refused_only_by_upstream(tmp_path: Path) -> None:
    """A rotation to a key that the vendor refuses is a 401 of ours, and going back to the former one works at once."""
    async with StripeSandbox(secret=text(1)) as sandbox, sealed_road(tmp_path, sandbox.url) as on:
        await rotate(on, 2)
        refused = await on.ask("GET", "/v1/customers")
        assert (refused.status, "upstream-credential-refused" in refused.raw.decode()) == (401, True)
        back = await on.admin("POST", "/v1/vault/stripe/versions", {"to": 1})
        assert (back.status, back.json["version"]) == (201, 3)
        assert (await on.ask("GET", "/v1/customers")).status == 200
        assert sandbox.wiretap.credentials == {text(1): 1, text(2): 1}


def echo(version: int) -> bytes:
    return json.dumps({"said": text(version), "form": f"key={text(version)}&x=1"}).encode()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_every_version_is_hidden(method: str, tmp_path: Path) -> None:
    """An echo is overwritten whatever version it is of: the call's own, a former one, one that came meanwhile."""
    async with scripted() as upstream, sealed_road(tmp_path, upstream.url) as on:
        await rotate(on, 2)
        for known in (1, 2):
            await hidden(on, upstream, method, echo(known))
        release = asyncio.Event()
        upstream.then(release, answer(200, echo(1) + echo(2) + echo(3)))
        call = asyncio.create_task(on.ask(method, "/v1/customers", form={} if method == "POST" else None))
        await soon(lambda: len(upstream.asked) == 3)
        await rotate(on, 3)
        await on.admin("DELETE", "/v1/vault/stripe/versions/1")
        release.set()
        assert CANARY.encode() not in (await call).raw


async def hidden(on: Road, upstream: Scripted, method: str, body: bytes) -> None:
    upstream.then(answer(200, body, f"Request-Id: {json.loads(body)['said']}"))
    got = await on.ask(method, "/v1/customers", form={"name": body} if method == "POST" else None)
    assert got.status == 200
    assert CANARY.encode() not in got.raw
    assert len(got.body) == len(body)


async def test_two_apis_of_one_name(tmp_path: Path) -> None:
    """Two accounts that name one credential turn together, each in its own slot."""
    async with scripted() as upstream:
        await put_here(tmp_path, "stripe", text(1))
        jira: Mapping[str, object] = {
            "catalog": "jira",
            "upstream": upstream.url,
            "credential": {"vault": "stripe", "user": "operations@example.com"},
        }
        cards = {"support": agent({"stripe": {"customers.list": {}}, "jira": {"*": {}}})}
        apis = {"stripe": sealed_api(upstream.url), "jira": jira}
        async with road(tmp_path, upstream.url, apis=apis, agents=cards, secret=CANARY) as on:
            for number in (1, 2):
                if number == 2:
                    await rotate(on, 2)
                assert (await on.ask("GET", "/v1/customers")).status == 200
                assert (await on.ask("GET", "/rest/api/3/myself", door="jira")).status == 200
            bearer, basic, bearer2, basic2 = [asked.headers["authorization"] for asked in upstream.asked]
            assert (bearer, bearer2) == (f"Bearer {text(1)}", f"Bearer {text(2)}")
            assert basic.startswith("Basic ")
            assert basic != basic2
