"""Reviews on the road: which writes are drawn, who may mark them, and what stands on record of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from breakers.call import Applied
from breakers.reviews import DRAW_BYTES
from breakers.store.events import IntentOpened
from config.reviews import RUBRIC
from loadtest.installation import agent
from loadtest.upstreams.stripe import StripeSandbox
from proxy.cli import main
from proxy.reviewing import Reviewing, ReviewMetrics
from tests.breakers.world import AT, policy
from tests.proxy.approving import ALLOW, Stand, on_a_road
from tests.proxy.road import SECRET, call_of

NOTE = "The order was another customer's."


def card(review: str = "100%", tier: str = "auto") -> dict[str, Any]:
    """Return a card of which so much is reviewed."""
    return agent({"stripe": ALLOW}, loops=False, review=review, tier=tier)


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give the upstream.
    """
    async with StripeSandbox(secret=SECRET) as made:
        yield made


async def waiting(stand: Stand, query: str = "") -> list[dict[str, Any]]:
    """Return what the admin door says of reviews, once all is on record."""
    await stand.on.newest()
    answer = await stand.on.admin("GET", f"/v1/reviews{query}")
    assert answer.status == 200
    found: list[dict[str, Any]] = answer.json
    return found


async def test_drawn_and_marked(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """A write that was made waits for somebody who holds the role, whose first word counts and stands on record."""
    async with on_a_road(tmp_path, sandbox, card()) as stand:
        made = call_of(await stand.refund(1000))
        # What the API refuses, a read, and a repeat are nothing that was made.
        await stand.refund(999_900)
        await stand.on.ask("GET", f"/v1/charges/{stand.charge}")
        (one,) = await waiting(stand)
        assert (one["call"], one["operation"], one["state"]) == (made, "refunds.create", "waits")
        token, resume = await stand.token("ana"), await stand.token("rita")
        word = {"ok": False, "scores": {"target": 1, "care": 4}, "note": NOTE}
        path = f"/v1/reviews/{made}"
        assert (await stand.on.admin("POST", path, word)).status == 403
        assert (await stand.on.admin("POST", path, word, token=resume)).status == 403
        both = (stand.on.admin("POST", path, {**word, "ok": ok}, token=token) for ok in (False, True))
        first, second = await asyncio.gather(*both)
        assert (first.status, second.status) == (200, 409)
        assert (first.json["state"], first.json["by"]) == ("wrong", "ana")
        assert await waiting(stand) == []
        (one,) = await waiting(stand, "?all=1&agent=support")
        assert (one["state"], one["by"], one["scores"]) == ("wrong", "ana", {"care": 4, "target": 1})
        assert await waiting(stand, "?all=1&agent=nobody") == []
        records = [one for one in await stand.on.opened(made) if one["entry"]["k"].startswith("review.")]
        assert [one["entry"]["k"] for one in records] == ["review.asked", "review.decided"]
        assert NOTE not in json.dumps(records[1]["entry"])
        assert records[1]["payloads"]["note"]["text"] == NOTE
        metrics = (await stand.on.admin("GET", "/metrics")).body.decode()
        for line in (
            'breakwater_reviews_total{agent="support",state="asked"} 1.0',
            'breakwater_reviews_total{agent="support",state="wrong"} 1.0',
            'breakwater_writes_made_total{agent="support",by="agent"} 1.0',
        ):
            assert line in metrics


NO_WORDS: tuple[tuple[Any, int], ...] = (
    (b"{}", 400),
    (b"[]", 400),
    ({"ok": "yes"}, 400),
    ({"ok": True, "scores": [1]}, 400),
    ({"ok": True, "scores": {"taste": 3}}, 400),
    ({"ok": True, "scores": {"care": 6}}, 400),
    ({"ok": True, "scores": {"care": True}}, 400),
    ({"ok": True, "note": "x" * 2001}, 400),
    ({"ok": True}, 404),
)


async def test_no_word(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """What is no word on a write, or is about none that was drawn, is refused."""
    async with on_a_road(tmp_path, sandbox, card("0%")) as stand:
        await stand.customer("Ada")
        token = await stand.token("ana")
        assert await waiting(stand) == []
        for body, status in NO_WORDS:
            answer = await stand.on.admin("POST", "/v1/reviews/01NONE", body, token=token)
            assert answer.status == status, body


async def test_by_an_approver(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """What was carried out for a suggestion is drawn as well, and counted as made on somebody's word."""
    async with on_a_road(tmp_path, sandbox, card(tier="suggest")) as stand:
        one = await stand.parked(await stand.refund(1000))
        assert await waiting(stand) == []
        await stand.approve(one)
        (drawn,) = await waiting(stand)
        assert drawn["operation"] == "refunds.create"
        metrics = (await stand.on.admin("GET", "/metrics")).body.decode()
        assert 'breakwater_writes_made_total{agent="support",by="approver"} 1.0' in metrics


async def test_in_the_terminal(
    tmp_path: Path, sandbox: StripeSandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue outlives the process, is read with none, and is worked entirely from the terminal."""
    asked = ["--config", str(tmp_path / "breakwater.yaml")]

    def run(*words: str) -> tuple[int, str, str]:
        code = main([*asked, *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    async with on_a_road(tmp_path, sandbox, card()) as stand:
        made = call_of(await stand.refund(1000))
        await waiting(stand)
    code, out, _ = await asyncio.to_thread(run, "reviews", "list")
    assert (code, out.splitlines()[0].split()) == (0, ["CALL", "MADE", "AGENT", "OPERATION", "STATE", "BY"])
    assert out.splitlines()[1].endswith("support  stripe refunds.create  waits")
    assert (await asyncio.to_thread(run, "reviews", "mark", made, "--ok"))[0] == 1
    code, out, _ = await asyncio.to_thread(run, "reviews", "show", made)
    assert code == 0
    assert "somebody is to look at it" in out
    assert all(f"{name:12} {text}" in out for name, text in RUBRIC.items())
    async with on_a_road(tmp_path, sandbox, card()) as stand:
        monkeypatch.setenv("BREAKWATER_OPERATOR_TOKEN", await stand.token("ana"))
        mark = ("mark", made, "--wrong", "--rubric", "target=1", "--rubric", "care=5", "--note", NOTE)
        assert (await asyncio.to_thread(run, "reviews", *mark)) == (0, f"{made} is marked wrong, by ana\n", "")
        code, _, err = await asyncio.to_thread(run, "reviews", *mark)
        assert (code, "it was marked already, as wrong, by ana" in err) == (1, True)
    code, out, _ = await asyncio.to_thread(run, "reviews", "list", "--json")
    assert (code, json.loads(out)) == (0, [])
    code, out, _ = await asyncio.to_thread(run, "reviews", "show", made)
    assert "marked wrong, by ana" in out
    assert f"a reviewer's words: {NOTE}" in out
    code, out, _ = await asyncio.to_thread(run, "reviews", "show", made, "--json")
    assert json.loads(out)["scores"] == {"care": 5, "target": 1}
    code, _, err = await asyncio.to_thread(run, "reviews", "show", "01NONE")
    assert (code, "no review of the call 01NONE was asked for" in err) == (1, True)
    code, out, _ = await asyncio.to_thread(run, "rollout", "support", "--since", "2026-11-01", "--json")
    said = json.loads(out)
    assert (said["reviews"]["asked"], said["reviews"]["wrong"]["k"], said["writes"]["n"]) == (1, 1, 1)
    code, out, _ = await asyncio.to_thread(run, "rollout", "support", "--since", "2026-11-01")
    assert "reviewed: 1 of 1 drawn, wrong 1 of 1 (100 %, 95 % interval 20.7 to 100 %); care 5.0 (n 1)" in out
    code, _, err = await asyncio.to_thread(run, "rollout", "suport")
    assert (code, "support" in err) == (1, True)


@pytest.mark.parametrize("text", ["target", "target=0", "target=6", "=3", "target=x", "target=²"])
def test_no_answer(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no answer to the rubric is a fault of usage."""
    with pytest.raises(SystemExit) as ended:
        main(["reviews", "mark", "01CALL", "--ok", "--rubric", text])
    assert ended.value.code == 2
    assert "write `target=4`" in capsys.readouterr().err


class Asked:
    """A record that keeps what it is told, and draws that are given."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def asked(self, opened: IntentOpened, _: int) -> None:
        self.calls.append(opened.intent)


@pytest.mark.parametrize(
    ("draw", "applied", "expected"),
    [
        (bytes(8), Applied.APPLIED, ["1"]),
        (b"\xff" * 8, Applied.APPLIED, []),
        (bytes(8), Applied.NOT_APPLIED, []),
        (bytes(8), Applied.UNKNOWN, []),
    ],
)
def test_what_is_drawn(draw: bytes, applied: Applied, expected: list[str]) -> None:
    """Only what took effect is drawn, by the randomness that is given."""
    records: Any = Asked()
    given: list[int] = []

    def randomness(count: int) -> bytes:
        given.append(count)
        return draw

    drawing: Callable[[int], bytes] = randomness
    reviewing = Reviewing(records, drawing, ReviewMetrics(CollectorRegistry()))
    opened = IntentOpened("1", "shop", "refunds.create", "clerk", "t", AT, None, 0, "")
    reviewing.ended(opened, applied, policy({"refunds.*": {}}, review="2%"))
    assert records.calls == expected
    assert given == ([DRAW_BYTES] if applied is Applied.APPLIED else [])
