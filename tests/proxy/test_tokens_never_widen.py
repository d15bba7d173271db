"""Narrowing can only narrow: whatever a token's holder adds, no call clears it that its parent does not clear."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakers.above import caps_above
from breakers.call import Call, Caller
from breakers.capping import Spending
from breakers.narrowing import narrowing
from breakers.policy import NOTHING_FOUND, AgentRules
from breakers.verdict import Refuse
from proxy.canonical.heads import canonical_head
from proxy.errors import Refused
from proxy.identify import identify
from proxy.keys import Keys
from proxy.peers import Peer
from proxy.tokens import Written, read_token
from tests.breakers.world import QUIET, call, policy
from tests.proxy.token_world import NOW, TASK, UNTIL, by_hand, tokens

RING = tokens()
POLICY = policy({"charges.*": {}, "refunds.*": {}, "issues/*": {}, "labels/*": {}})
NARROWINGS = 10_000

VALUES = {
    "p": ("shop", "other", "shop|other", "other|third"),
    "r": ("*:rw", "*:r", "refunds.*:rw", "refunds.*:w", "charges.*:r", "charges.*:r|refunds.create:rw", "x:r"),
    "m": ("GET", "POST", "GET|POST", "PUT", "GET|PUT", "DELETE"),
    "n": ("0", "1", "5", "999999999"),
    "max": ("0USD", "50USD", "0.5USD", "50EUR"),
    "ip": ("10.0.0.0/8", "10.0.0.7", "192.0.2.0/24|10.0.0.0/8", "2001:db8::/32"),
    "peer": ("0", "1000"),
    "env": ("test", "production"),
    "appr": ("required",),
    "exp": tuple(str(int((NOW + timedelta(minutes=m)).timestamp())) for m in (-5, 1, 5, 30, 90)),
    "nbf": tuple(str(int((NOW + timedelta(minutes=m)).timestamp())) for m in (-30, -5, 2, 10)),
    # What nobody reads: a holder may write anything.
    "x": ("1",),
    "t": (TASK, "other/01M7YZDQY12XJKES0GC4ZSQHB4"),
}  # fmt: skip
# Most narrowings are of the first kinds, or hardly any call would clear both.
KEYS = (*list(VALUES)[:5] * 6, *list(VALUES)[5:])


class From(Peer):
    """A caller at an address, or on a socket."""

    __slots__ = ("ip", "uid")

    def __init__(self, ip: str | None, uid: int | None) -> None:
        super().__init__(None)
        self.ip, self.uid = None if ip is None else ip_address(ip), uid

    def address(self) -> IPv4Address | IPv6Address | None:
        return self.ip

    def user(self) -> int | None:
        return self.uid


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call: what is asked, from where, in which environment, after how many minutes."""

    call: Call
    peer: Peer
    environment: str
    after_min: int


HEAD = canonical_head("GET", (1, 1), ((b"Host", b"a"),))
CALLS = (
    call("charges.retrieve", {"path.id": "ch_1"}),
    call("refunds.create", {"body.charge": "ch_1", "body.amount": 100}),
    call("issues/list", {"path.owner": "acme", "path.repo": "docs"}),
    call("labels/set", {"path.number": 1, "body.labels": ["a"]}),
    call("refunds.create", {"body.charge": "ch_1", "body.amount": 100}, api="other"),
)
PEERS = (From("10.0.0.7", None), From("192.0.2.9", None), From("2001:db8::1", None), From(None, 1000), From(None, 0))


Gate = Callable[..., object]


def cleared(text: str, attempt: Attempt, gate: Gate = narrowing) -> tuple[set[tuple[str, str]], Caller] | None:
    """
    Return under which caps of its token a call is taken, and who made it; None where the token does not clear it.
    """
    now = NOW + timedelta(minutes=attempt.after_min)
    agents = {"clerk": AgentRules({}, {}, attempt.environment)}
    try:
        caller = identify(replace(HEAD, breakwater_key=text), attempt.peer, Keys(), RING, agents, now)
    except Refused:
        return None
    made = replace(attempt.call, caller=caller)
    if isinstance(gate(made, POLICY, QUIET, NOTHING_FOUND), Refuse):
        return None
    caps = caps_above(made, Spending(), now)
    return None if isinstance(caps, Refuse) else ({(cap.node, str(cap.caps)) for cap in caps}, caller)


def attempted(draw: random.Random) -> Attempt:
    """
    Return some call.
    """
    environment, after_min = draw.choice(("test", "production")), draw.choice((0, 0, 0, 7, 61))
    return Attempt(draw.choice(CALLS), draw.choice(PEERS), environment, after_min)


def some(draw: random.Random) -> bytes:
    """
    Return a caveat.
    """
    key = draw.choice(KEYS)
    return f"{key}={draw.choice(VALUES[key])}".encode()


def narrowed_by(token: Written, *caveats: bytes) -> Written:
    """
    Return a token with caveats that nobody looked at.
    """
    again = read_token(by_hand(token, *caveats))
    assert again is not None
    return again


def search(count: int, gate: Gate = narrowing) -> tuple[int, int]:
    """
    Narrow at random, and return how many calls the children cleared, and how many their parents only.
    """
    draw, passed, refused = random.Random(5), 0, 0
    for _ in range(count):
        parent = narrowed_by(RING.mint(TASK, UNTIL), *(some(draw) for _ in range(draw.choice((0, 0, 1, 2)))))
        child = narrowed_by(parent, *(some(draw) for _ in range(draw.choice((1, 1, 2)))))
        attempt = attempted(draw)
        under, above = cleared(child.spelled(), attempt, gate), cleared(parent.spelled(), attempt, gate)
        if under is None:
            refused += above is not None
            continue
        passed += 1
        assert above is not None, f"{child.said} clears what {parent.said} does not"
        assert under[0] >= above[0], f"{child.said} lost a cap of {parent.said}"
        assert under[1].tokens[: len(above[1].tokens)] == above[1].tokens, "a revocation would not reach it"
    return passed, refused


@pytest.mark.slow
def test_random_narrowings() -> None:
    """Of 10,000 random narrowings none clears a call that its parent does not, and each keeps its parent's caps."""
    passed, refused = search(NARROWINGS)
    # The search is worth something: many calls pass, and many are narrowed away.
    assert min(passed, refused) > NARROWINGS / 20


def test_can_fail() -> None:
    """A reading under which the newest caveat took the place of the one before it would be found."""

    def newest(call: Call, *rest: Any) -> object:
        last = {caveat.key: caveat for caveat in call.caller.caveats}
        return narrowing(replace(call, caller=replace(call.caller, caveats=tuple(last.values()))), *rest)

    with pytest.raises(AssertionError, match="clears what"):
        search(NARROWINGS // 10, newest)


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_any_bytes(caveats: list[bytes], draw: random.Random) -> None:
    """Whatever bytes a holder adds, nothing is cleared that was not before."""
    parent = RING.mint(TASK, UNTIL, ("r=charges.*:r",))
    child, attempt = by_hand(parent, *(caveat for caveat in caveats if caveat)), attempted(draw)
    assert cleared(child, attempt) is None or cleared(parent.spelled(), attempt) is not None


def test_same_task() -> None:
    """Two tokens of one task, and one that was narrowed from either, belong to that task."""
    texts = [RING.mint(TASK, UNTIL).spelled() for _ in range(2)]
    texts.append(by_hand(RING.mint(TASK, UNTIL), b"n=1"))
    assert [token.task for text in texts if (token := RING.verify(text)) is not None] == [TASK] * 3
