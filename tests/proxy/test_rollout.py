"""`breakwater rollout`: a generated past, counted by the program and once more by hand."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from breakers.wilson import lower_bound
from proxy.advice import AGREED_MIN, Share, recommendation
from proxy.cli.rollout import as_data, lines
from proxy.figures import Decisions, Figures, Reviews, Sum, figures_of
from proxy.ledger.disk import RealDisk
from proxy.ledger.index import index_in
from tests.crash.record import read_log
from tests.ledger.world import START
from tests.proxy.pasts import AGENT, Past
from tests.tidy.source import ROOT

DAYS, A_DAY = 6, 60


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a past of some days."""
    folder = tmp_path_factory.mktemp("past")
    Past(folder, seed=11).write(DAYS, A_DAY)
    return folder


def said(folder: Path, skipped: int = 0) -> dict[str, Any]:
    """Return what the program says from a day on."""
    since, until = START + timedelta(days=skipped), START + timedelta(days=DAYS + 9)
    index = index_in(RealDisk(), folder)
    found = as_data(AGENT, "approve", since, until, figures_of(index, AGENT, since, until))
    index.close()
    spelled: dict[str, Any] = json.loads(json.dumps(found))
    return spelled


def entries(folder: Path, skipped: int = 0) -> list[dict[str, Any]]:
    """Return the agent's entries from a day on, read with nothing of ours."""
    since = (START + timedelta(days=skipped)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return [one for one in read_log(folder).entries if one.get("act", {}).get("agent") == AGENT and one["ts"] >= since]


def recounted(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Count everything once more, as plainly as the records can be read."""
    of = {kind: [one for one in found if one["k"] == kind] for kind in {one["k"] for one in found}}
    intents = of.get("call.intent", [])
    alone = [one for one in intents if "sug" not in one]
    parked: dict[str, dict[str, Any]] = {}
    causes: dict[str, set[str]] = {}
    for one in of.get("approval.requested", []):
        parked.setdefault(one["call"], one)
        causes.setdefault(one["call"], set()).update(name.split(":")[0] for name in one["ans"])
    ways: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in (*alone, *parked.values()):
        why = causes.get(one["call"], set()) if one["k"] != "call.intent" else set()
        asks = bool(why & {"approval", "token", "duplicate"})
        ways.setdefault(("shadow", "parked"), []).append(one)
        ways.setdefault(("suggest", "approver" if asks else "parked"), []).append(one)
        ways.setdefault(("approve", "approver"), []).append(one)
        rest = why - {"tier"}
        ways.setdefault(("auto", "approver" if asks else "parked" if rest else "passed"), []).append(one)
    decisions = [_stands(call, found) for call in parked]
    ended = Counter(_ended(one["call"], of.get("call.outcome", [])) for one in intents)
    joins = [one for one in of.get("call.decision", []) if "approval-pending" in one["pol"]["reasons"]]
    refusals = [one for one in of.get("call.decision", []) if one not in joins]
    return {
        "reads": sum(one["intent"] is None for one in of.get("call.outcome", [])),
        "writes": len(alone) + len(parked),
        "repeats": len(joins),
        "refused": len(refusals) + sum(sum(one["counts"].values()) for one in of.get("agent.refused", [])),
        "refused writes": sum(one.get("rw") == "w" for one in refusals),
        "tiers": {key: (len(some), _money(some)) for key, some in ways.items()},
        "made": (len(alone), len(intents) - len(alone)),
        "ended": (ended["applied"], ended["not_applied"], ended["unknown"]),
        "decisions": Counter(decisions),
        "reviews": _marks(of),
    }


def _money(some: list[dict[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in some:
        if "moves" in one:
            found[one["moves"]["currency"]] = found.get(one["moves"]["currency"], 0) + int(one["moves"]["micros"])
    return found


def _stands(call: str, found: list[dict[str, Any]]) -> str:
    """Return how one suggestion stands, by walking its records backwards."""
    own = [one for one in found if one["call"] == call] if found else []
    edited = any(one.get("verdict") == "edited" for one in own)
    for one in reversed(own):
        if one["k"] == "approval.decided" and one["verdict"] != "edited":
            return "edited" if edited and one["verdict"] == "approved" else one["verdict"]
    if any(one.get("shadow") for one in own):
        return "unasked"
    ends = [one["end"] for one in own if one["k"] == "approval.ended"]
    return ends[-1] if ends else "waiting"


def _ended(call: str, outcomes: list[dict[str, Any]]) -> str:
    return next((one["eff"] for one in outcomes if one["call"] == call), "unknown")


def _marks(of: dict[str, list[dict[str, Any]]]) -> tuple[int, int, int, dict[str, tuple[int, int]]]:
    asked = {one["call"] for one in of.get("review.asked", [])}
    marks = [one for one in of.get("review.decided", []) if one["call"] in asked]
    names = {name for one in marks for name in one["scores"]}
    scores = {name: [one["scores"][name] for one in marks if name in one["scores"]] for name in names}
    right = sum(one["ok"] for one in marks)
    return len(asked), right, len(marks) - right, {name: (len(all_), sum(all_)) for name, all_ in scores.items()}


@pytest.mark.parametrize("skipped", [0, 2])
def test_recount(past: Path, skipped: int) -> None:
    """What the program says of a past is what somebody counts in its raw records."""
    found, own = said(past, skipped), [one for one in entries(past, skipped) if "call" in one or "counts" in one]
    counted = recounted([{"call": "", **one} for one in own])
    assert found["reads"] == counted["reads"]
    assert found["writes"]["n"] == counted["writes"] > 40
    assert found["repeats"] == counted["repeats"]
    assert sum(found["refused"].values()) == counted["refused"] > 0
    assert found["refused"]["writes"] == counted["refused writes"]
    for tier in ("shadow", "suggest", "approve", "auto"):
        assert found["tiers"][tier]["refused"] == counted["refused"]
        for way in ("passed", "parked", "approver"):
            n, money = counted["tiers"].get((tier, way), (0, {}))
            shown = {currency: f"{micros / 1_000_000:.2f} {currency}" for currency, micros in money.items()}
            assert found["tiers"][tier][way] == {"n": n, "money": shown}
    assert (found["made"]["alone"], found["made"]["approver"]) == counted["made"]
    assert tuple(found["ended"][name] for name in ("applied", "not_applied", "unknown")) == counted["ended"]
    kinds = ("approved", "edited", "rejected", "expired", "void", "waiting", "unasked")
    assert {kind: found["decisions"][kind] for kind in kinds} == {kind: counted["decisions"][kind] for kind in kinds}
    assert min(found["decisions"][kind] for kind in kinds) > 0 or skipped


def test_shares(past: Path) -> None:
    """Each share has its count and Wilson's interval, worked out by its formula."""
    found, counted = said(past), recounted([{"call": "", **one} for one in entries(past) if "call" in one])
    decided = sum(counted["decisions"][kind] for kind in ("approved", "edited", "rejected"))
    overridden = counted["decisions"]["edited"] + counted["decisions"]["rejected"]
    alone, approver = counted["made"]
    asked, right, wrong, scores = counted["reviews"]
    for name, k, n in (
        ("agreed", counted["decisions"]["approved"], decided),
        ("overridden", overridden, decided),
        ("coverage", alone, alone + approver),
    ):
        assert found[name] == by_hand(k, n), name
    assert found["reviews"]["asked"] == asked
    assert found["reviews"]["ok"] == right
    assert found["reviews"]["wrong"] == by_hand(wrong, right + wrong)
    means = {name: {"n": n, "mean": round(total / n, 2)} for name, (n, total) in scores.items()}
    assert found["reviews"]["rubric"] == means


def by_hand(k: int, n: int) -> dict[str, Any]:
    """Return a share with its interval, by the formula in its other form: the roots of a quadratic equation."""
    z = 1.96
    a, b, c = n + z * z, -(2 * k + z * z), k * k / n
    root = math.sqrt(b * b - 4 * a * c)
    ends = [round(100 * end, 1) for end in (k / n, (-b - root) / 2 / a, (-b + root) / 2 / a)]
    return {"k": k, "n": n, **dict(zip(("percent", "low", "high"), ends, strict=True))}


def test_by_operation(past: Path) -> None:
    """The operations' figures add up to those of all."""
    found = said(past)
    assert [one["operation"] for one in found["operations"]] == ["stripe customers.update", "stripe refunds.create"]
    assert sum(one["writes"]["n"] for one in found["operations"]) == found["writes"]["n"]
    assert sum(one["alone"] for one in found["operations"]) == found["made"]["alone"]
    for name in ("agreed", "wrong"):
        whole = found["agreed"] if name == "agreed" else found["reviews"]["wrong"]
        assert sum(one[name]["n"] for one in found["operations"]) == whole["n"]


def test_words(past: Path) -> None:
    """A person reads the same figures, none of them without its count."""
    since, until = START, START + timedelta(days=DAYS + 9)
    index = index_in(RealDisk(), past)
    figures = figures_of(index, AGENT, since, until)
    index.close()
    text = "\n".join(lines(AGENT, "approve", since, until, figures))
    found = said(past)
    assert f"as the agent wanted it: {found['agreed']['k']} of {found['agreed']['n']} (" in text
    assert f"{found['tiers']['auto']['passed']['n']}: " in text
    assert text.endswith(found["recommendation"])
    assert text.count("%") == text.count(" % ") + text.count(" %)") + text.count(" %,") + text.count(" %;")


# the tier, then (as wanted, edited, rejected), (right, wrong), writes, and how the sentence begins
ADVICE: dict[str, tuple[str, tuple[int, int, int], tuple[int, int], int, str]] = {
    "nothing": ("approve", (0, 0, 0), (0, 0), 0, "Stay at `approve`: no write"),
    "shadow, few": ("shadow", (0, 0, 0), (0, 0), 19, "Stay at `shadow`: 19 writes"),
    "shadow, enough": ("shadow", (0, 0, 0), (0, 0), 20, "Move to `suggest` once somebody has time to read: 20 writes"),
    "nobody decided": ("suggest", (0, 0, 0), (0, 0), 9, "Stay at `suggest`: 9 writes are on record, and nobody"),
    "ten of ten": ("suggest", (10, 0, 0), (0, 0), 10, "Stay at `suggest`: people let go 10 of 10 (100 %, 95 %"),
    "72 of 72": ("approve", (72, 0, 0), (0, 0), 72, "Stay at `approve`: people let go 72 of 72"),
    "73 of 73, from suggest": ("suggest", (73, 0, 0), (0, 0), 73, "Move to `approve`: people let go 73 of 73"),
    "73 of 73, from approve": ("approve", (73, 0, 0), (0, 0), 73, "Move to `auto`: people let go 73 of 73"),
    "one of them edited": ("approve", (72, 1, 0), (0, 0), 73, "Stay at `approve`: people let go 72 of 73"),
    "half of it": ("approve", (20, 10, 10), (0, 0), 40, "Move down to `suggest`: people let go 20 of 40"),
    "half of it, from suggest": ("suggest", (20, 10, 10), (0, 0), 40, "Stay at `suggest`, and change its card: people"),
    "auto, not looked at": ("auto", (0, 0, 0), (0, 0), 40, "Stay at `auto`, and look: 40 writes"),
    "auto, right": ("auto", (0, 0, 0), (100, 0), 40, "Stay at `auto`: of what was reviewed 0 of 100"),
    "auto, few": ("auto", (0, 0, 0), (10, 1), 40, "Stay at `auto`, and review more: of what was reviewed 1 of 11"),
    "auto, wrong": ("auto", (0, 0, 0), (70, 30), 40, "Move down to `approve`: of what was reviewed 30 of 100"),
}


@pytest.mark.parametrize("name", ADVICE)
def test_recommendation(name: str) -> None:
    """What is recommended follows from the figures, and says them."""
    tier, (approved, edited, rejected), (right, wrong), writes, begins = ADVICE[name]
    figures = Figures(decisions=Decisions(approved, edited, rejected), reviews=Reviews(right + wrong, right, wrong))
    figures.writes.n = writes
    sentence = recommendation(tier, figures)
    assert sentence.startswith(begins), sentence
    assert sentence.endswith(".")


def test_how_many_more() -> None:
    """The number that is asked for is the first that would be enough."""
    figures = Figures(decisions=Decisions(70, 1, 0))
    figures.writes.n = 71
    sentence = recommendation("approve", figures)
    more = int(sentence.partition("; ")[2].partition(" ")[0])
    assert Share(70 + more, 71 + more).low >= AGREED_MIN > Share(69 + more, 70 + more).low
    assert Share(0, 0).as_data() == {"k": 0, "n": 0, "percent": None, "low": None, "high": None}
    assert lower_bound(5, 10) < Share(5, 10).low


def test_page() -> None:
    """What the page shows is what the program prints of such figures."""

    def usd(n: int, units: int) -> Sum:
        return Sum(n, Counter(USD=units * 1_000_000))

    figures = Figures(reads=210, repeats=3, writes=usd(180, 4315), days={f"{day}" for day in range(30)})
    figures.refused.update({"writes": 7, "reads": 2})
    figures.tiers["shadow"]["parked"] = figures.tiers["approve"]["approver"] = usd(180, 4315)
    figures.tiers["suggest"] |= {"parked": usd(162, 3105), "approver": usd(18, 1210)}
    figures.tiers["auto"] |= {"passed": usd(160, 3050), "parked": usd(2, 55), "approver": usd(18, 1210)}
    figures.decisions = Decisions(151, 2, 3, expired=20, void=1, waiting=3, changed=3, leaves=14)
    figures.made.update(approver=153)
    figures.reviews = Reviews(12, 9, 0, {"care": (8, 37)})
    since, until = datetime(2026, 10, 22, 12, tzinfo=UTC), datetime(2026, 11, 21, 12, tzinfo=UTC)
    printed = "\n".join(lines(AGENT, "approve", since, until, figures))
    assert f"```text\n{printed}\n```" in (ROOT / "docs/ROLLOUT.md").read_text("utf-8")
