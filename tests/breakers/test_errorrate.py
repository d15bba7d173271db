"""The gate `breakers` as a table: how a breaker stands, what a call is, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from breakers.breaker import Breaker, Probe, State, Wish
from breakers.call import Call
from breakers.decide import decide
from breakers.facts import Facts
from breakers.policy import Policy
from breakers.suggestion import Grant, Stage, Suggested
from breakers.thresholds import Gauging, Thresholds
from breakers.verdict import Ask, Forward, Reason, Refuse, Suggest
from tests.breakers.world import AT, CHARGE, QUIET, Rules, allow, call, deny, park, policy, write

EVERYTHING = policy({"*": {}})
READ, SAFE = call("issues/list"), write("labels/set", {"path.number": 1, "body.labels": ["a"]})
WRITE = write("issues/create", {"path.owner": "o", "path.repo": "r", "body.title": "t"})
GRAVE = write("payouts.create", {"body.amount": 5})

READS, WRITES, GRAVES = "api:shop/read", "api:shop/write", "api:shop/irreversible"
AGENT = "agent:clerk/shop/write"

SOON = AT + timedelta(seconds=20)
OUT = Probe("01OTHER", SOON)
APPROVED = Suggested(
    "01SUGGESTED", "clerk", "task-1", "shop", "issues/create", "f", AT, SOON, "d", (), stage=Stage.APPROVED
)


def seen(*breakers: Breaker) -> Facts:
    return replace(QUIET, breakers={breaker.key: breaker for breaker in breakers})


def stands(key: str, state: State, **more: Any) -> Facts:
    return seen(replace(Breaker(key, state, gen=7, until=SOON), **more))


def granted(asked: Call, *keys: str) -> Call:
    """
    Return a call that an approver granted although these breakers parked it.
    """
    return replace(asked, grant=Grant(APPROVED.id, APPROVED.digest, frozenset(f"breaker:{key}" for key in keys)))


def said(asked: Call, facts: Facts, judged: Policy = EVERYTHING) -> str:
    """
    Return what becomes of a call in a word: passes, probes, has a place, parked, refused.
    """
    match decide(asked, judged, facts if asked.grant is None else replace(facts, suggested=APPROVED)):
        case Forward(wishes=()):
            return "passes"
        case Forward(wishes=wishes):
            return "probes" if all(wish.probe for wish in wishes) else "has a place"
        case Suggest():
            return "parked"
        case Refuse(reason=Reason.UPSTREAM_FAILING, gate="breakers"):
            return "refused"
        case other:
            raise AssertionError(other)


PROBING = State.PROBING


# how the breaker stands, and then what becomes of: a read, a write that is safe twice, one that is not, an irreversible
# one, and such a write that an approver granted
@pytest.mark.parametrize(
    ("facts", "read", "safe", "plain", "grave", "grant"),
    [
        (QUIET, "passes", "passes", "passes", "passes", "passes"),
        (stands(WRITES, State.PASSING), "passes", "passes", "passes", "passes", "passes"),
        (stands(WRITES, State.FORCED_PASSING), "passes", "passes", "passes", "passes", "passes"),
        (stands(WRITES, State.SUGGEST_ONLY), "passes", "parked", "parked", "parked", "passes"),
        (stands(WRITES, State.FORCED_SUGGEST_ONLY), "passes", "parked", "parked", "parked", "passes"),
        (stands(WRITES, State.FORCED_BLOCKED), "passes", "parked", "parked", "parked", "refused"),
        (stands(WRITES, PROBING, until=None), "passes", "probes", "parked", "parked", "probes"),
        (stands(WRITES, PROBING, until=None, probe=OUT), "passes", "parked", "parked", "parked", "passes"),
        (stands(WRITES, State.RAMPING), "passes", "has a place", "has a place", "has a place", "has a place"),
        (stands(WRITES, State.RAMPING, next_at=SOON), "passes", "parked", "parked", "parked", "passes"),
        (
            stands(WRITES, State.RAMPING, next_at=AT),
            "passes",
            "has a place",
            "has a place",
            "has a place",
            "has a place",
        ),
        (stands(READS, State.SUGGEST_ONLY), "passes", "parked", "parked", "parked", "passes"),
        (stands(READS, State.BLOCKED), "refused", "parked", "parked", "parked", "refused"),
        (stands(READS, State.FORCED_BLOCKED), "refused", "parked", "parked", "parked", "refused"),
        (stands(READS, PROBING, before=State.SUGGEST_ONLY), "passes", "probes", "parked", "parked", "probes"),
        (stands(READS, PROBING, before=State.BLOCKED), "probes", "probes", "parked", "parked", "probes"),
        (stands(READS, PROBING, before=State.BLOCKED, probe=OUT), "refused", "parked", "parked", "parked", "refused"),
        (stands(READS, State.RAMPING), "passes", "has a place", "has a place", "has a place", "has a place"),
        # The irreversible ones follow the others, and never the other way round.
        (stands(GRAVES, State.SUGGEST_ONLY), "passes", "passes", "passes", "parked", "passes"),
        (stands(GRAVES, PROBING), "passes", "passes", "passes", "parked", "passes"),
        # An agent's breaker has no permits: it heals by its own reads, and by an operator.
        (stands(AGENT, State.SUGGEST_ONLY), "passes", "parked", "parked", "parked", "passes"),
        (stands(AGENT, PROBING), "passes", "parked", "parked", "parked", "passes"),
        (stands("agent:other/shop/write", State.SUGGEST_ONLY), "passes", "passes", "passes", "passes", "passes"),
        (stands("credential:shop", State.SUGGEST_ONLY), "passes", "parked", "parked", "parked", "passes"),
        (stands("credential:shop", PROBING), "passes", "probes", "parked", "parked", "probes"),
        (stands("task:task-1", State.SUGGEST_ONLY), "passes", "parked", "parked", "parked", "passes"),
        (stands("task:task-2", State.SUGGEST_ONLY), "passes", "passes", "passes", "passes", "passes"),
        (stands("kill:all", State.RAMPING), "passes", "has a place", "has a place", "has a place", "has a place"),
        (stands("kill:agent:clerk", State.RAMPING, next_at=SOON), "passes", "parked", "parked", "parked", "passes"),
        (stands("api:other/write", State.SUGGEST_ONLY), "passes", "passes", "passes", "passes", "passes"),
    ],
)
def test_states(facts: Facts, read: str, safe: str, plain: str, grave: str, grant: str) -> None:
    """What a breaker lets pass depends on its state, and on what the call can leave behind."""
    assert (said(READ, facts), said(SAFE, facts), said(WRITE, facts), said(GRAVE, facts)) == (read, safe, plain, grave)
    assert said(granted(WRITE, *facts.breakers), facts) == grant


def test_wishes() -> None:
    """A call wishes of each breaker what that one gives: the permit of its generation, or a place in the ramp."""
    facts = seen(
        Breaker(WRITES, PROBING, gen=7), Breaker(READS, State.RAMPING, gen=3, rate=60_000, step=1),
    )  # fmt: skip
    judged = replace(EVERYTHING, gauging=Gauging(lease_s=25.0))
    assert allow(judged, SAFE, facts).wishes == (
        Wish(READS, 3, probe=False, gap_s=4.0),
        Wish(WRITES, 7, probe=True, lease_s=25.0),
    )


def test_every_reason() -> None:
    """Every breaker that keeps a write back is a reason to park it, and a grant answers only those that it names."""
    facts = seen(Breaker(READS, State.SUGGEST_ONLY), Breaker(AGENT, PROBING), Breaker(WRITES, State.SUGGEST_ONLY))
    causes = (f"breaker:{READS}", f"breaker:{WRITES}", f"breaker:{AGENT}")
    parked = park(EVERYTHING, WRITE, *causes, facts=facts)
    assert [one.detail for one in parked.parked] == [
        "Of the read calls on `shop` too many fail: writes wait until it is well again.",
        "Of the write calls on `shop` too many fail: writes wait until it is well again.",
        "Of this agent's write calls on `shop` too many fail: it is being tried whether it is well again.",
    ]
    assert not any(one.waits for one in parked.parked)
    approved = replace(facts, suggested=APPROVED)
    park(EVERYTHING, granted(WRITE, READS, WRITES), *causes, facts=approved)
    allow(EVERYTHING, granted(WRITE, READS, WRITES, AGENT), approved)


def test_refusal() -> None:
    """A read that is refused is told until when, where that is known."""
    no = deny(EVERYTHING, READ, Reason.UPSTREAM_FAILING, "breakers", stands(READS, State.BLOCKED))
    assert dict(no.details) == {"breaker": READS, "state": "blocked", "retry_after_ms": "20000"}
    no = deny(
        EVERYTHING, READ, Reason.UPSTREAM_FAILING, "breakers",
        stands(READS, PROBING, before=State.BLOCKED, probe=OUT, until=None),
    )  # fmt: skip
    assert "retry_after_ms" not in dict(no.details)


@pytest.mark.parametrize("thresholds", [Thresholds(watch=True), Thresholds(off=True)])
@pytest.mark.parametrize("state", [State.SUGGEST_ONLY, State.BLOCKED, State.PROBING, State.RAMPING])
def test_only_watched(state: State, thresholds: Thresholds) -> None:
    """What is only watched, or turned off, keeps nothing back, unless an operator says so."""
    judged = replace(EVERYTHING, gauging=Gauging(apis={"shop": thresholds}))
    for key in (READS, WRITES):
        facts = stands(key, state, before=State.BLOCKED, next_at=SOON)
        assert {said(asked, facts, judged) for asked in (READ, SAFE, WRITE, GRAVE)} == {"passes"}
    assert said(WRITE, stands(WRITES, State.FORCED_SUGGEST_ONLY), judged) == "parked"
    assert said(READ, stands(READS, State.FORCED_BLOCKED), judged) == "refused"
    assert said(WRITE, stands(AGENT, State.SUGGEST_ONLY), judged) == "parked"


SHUT = stands(READS, State.BLOCKED)
TRIED = stands(READS, PROBING, before=State.BLOCKED)
TAKEN = stands(READS, PROBING, before=State.BLOCKED, probe=OUT)
UNKNOWN = write("refunds.create", {"body.charge": "ch_1"})
LIMITED: Rules = {"*": {}, "refunds.*": {"limit": {"amount": "1..100 USD"}}}


@pytest.mark.parametrize("facts", [SHUT, stands(READS, State.FORCED_BLOCKED), TAKEN])
def test_nothing_is_read(facts: Facts) -> None:
    """While reads are blocked a write that has to be looked at is parked unseen, and one that was granted waits."""
    judged = policy(LIMITED)
    parked = park(judged, UNKNOWN, f"breaker:{READS}", facts=facts)
    assert (parked.amount_micros, parked.facts.looks) == (None, {})
    assert said(granted(UNKNOWN, READS), facts, judged) == "refused"


def test_refused_unseen() -> None:
    """What is refused whatever a read would show is refused while none is made."""
    asked = write("refunds.create", {"body.charge": "ch_1", "body.amount": 5})
    deny(policy({**LIMITED, "refunds.create": {"limit": {"body.charge": "1..2"}}}), asked, Reason.ARGUMENT_MISTYPED,
         "limits", SHUT)  # fmt: skip


# the tier, and what parks beside the breaker where nobody knows how much is moved
@pytest.mark.parametrize(
    ("tier", "causes"),
    [("auto", ("approval:refunds.*",)), ("shadow", ("tier:shadow", "approval:refunds.*"))],
)
def test_parked_unseen(tier: str, causes: tuple[str, ...]) -> None:
    """A write that is parked unseen is parked by its tier as well, and by a rule over a sum: it may move more."""
    judged = policy({"*": {}, "refunds.*": {"approve": {"over": "50 USD"}}}, tier=tier)
    park(judged, UNKNOWN, f"breaker:{READS}", *causes, facts=SHUT)


def test_looks_as_a_probe() -> None:
    """Where reads are tried a look needs the permit; what its call has is its own."""
    wish = Wish(READS, 7, probe=True, lease_s=Gauging().lease_s)
    assert decide(UNKNOWN, policy(LIMITED), TRIED) == Ask((CHARGE,), (wish,))
    own = stands(READS, PROBING, before=State.BLOCKED, probe=Probe(UNKNOWN.id, SOON))
    assert decide(UNKNOWN, policy(LIMITED), own) == Ask((CHARGE,), (wish,))
    watching = replace(policy(LIMITED), gauging=Gauging(apis={"shop": Thresholds(watch=True)}))
    assert decide(UNKNOWN, watching, stands(READS, State.BLOCKED)) == Ask((CHARGE,))
    assert decide(UNKNOWN, policy(LIMITED), stands(READS, State.SUGGEST_ONLY)) == Ask((CHARGE,))
