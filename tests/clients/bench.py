"""
Where a client works twice: directly at an upstream, and through Breakwater by each style of door.

Each play has an API account of its own: what an agent did a moment ago it does not do again by accident, whichever of
its clients asks. A play through Breakwater must come out as the direct one did, its record must be the upstream's own
list of requests, each write must have a change that leads there and back, and neither the agent's key nor the real
credential may be where it must not. What a client did is kept: the table in docs/CLIENTS.md is what a run found.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx

from loadtest.installation import Breakwater
from loadtest.upstreams.sandbox import Sandbox
from loadtest.upstreams.wiretap import Seen, forms
from proxy.keys import KEY_PREFIX
from tests.clients.compare import Rules, Step, compare
from tests.clients.play import Script, Target, mentions, placed
from tests.clients.record import Ledger, Proof
from tests.clients.upstreams import Ends
from tests.clients.ways import PORT, UNIX, way
from tests.harness import running

DIRECT = "direct"

# A word waits for the look that is under way.
_DECIDED_S = 30.0

# How many plays a file has at most at one upstream, and through its unix socket.
PLAYS, SOCKETS = 12, 2


@dataclass(frozen=True, slots=True)
class Play:
    """
    One play: its steps, which effects it had, and what its record proves, where it came through Breakwater.
    """

    steps: list[Step]
    effects: Counter[str]
    asked: list[object]
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Api:
    """
    What is particular of an API here: what may differ between two plays, which origins of it no client may be shown,
    which of its writes have no object that could change, and which further bases it has.
    """

    rules: Rules
    origins: tuple[str, ...]
    objectless: frozenset[str] = frozenset()
    bases: tuple[str, ...] = ("",)


@dataclass
class Bench:
    """
    Upstreams by name, and Breakwater in front of the second of each two.
    """

    api: Api
    ends: Mapping[str, Ends]
    breakwater: Breakwater
    ledger: Ledger
    key: str
    secret: str
    _plays: dict[tuple[Script, str, str], Play] = field(default_factory=dict)
    _accounts: Counter[str] = field(default_factory=Counter)

    def play(self, script: Script, upstream: str, style: str = DIRECT) -> Play:
        """
        Play a script directly or through Breakwater, once in a run.
        """
        at = (script, upstream, style)
        if at not in self._plays:
            ends = self.ends[upstream]
            ends.reset()
            self._plays[at] = self._direct(script, upstream) if style == DIRECT else self._through(*at)
        return self._plays[at]

    def differences(self, script: Script, upstream: str, style: str) -> tuple[str, ...]:
        """
        Return how a play through Breakwater differs from the direct one.
        """
        direct, through = self.play(script, upstream), self.play(script, upstream, style)
        result = compare(direct.steps, through.steps, self.api.rules)
        assert result.leaves > len(direct.steps), "there was hardly anything to compare"
        found = list(result.differences)
        if direct.effects != through.effects:
            found.append(f"effects: directly {direct.effects}, through Breakwater {through.effects}")
        pairs = zip_longest(direct.asked, through.asked)
        found += [f"request: directly {one}, through Breakwater {other}" for one, other in pairs if one != other][:1]
        return tuple(found)

    def target(self, upstream: str, style: str) -> Target:
        """
        Return where a client goes that comes by this style of door: each time, an account that nobody has used.
        """
        pool = f"{upstream}-socket" if style == UNIX else upstream
        door = account(pool, self._accounts[pool])
        self._accounts[pool] += 1
        socket = self.breakwater.doors[door].removeprefix("unix:") if style == UNIX else ""
        bases = {base: way(self.breakwater, door + base, style) for base in self.api.bases}
        return Target(bases[""], self.key, self.ends[upstream].behind, upstream, bases, socket)

    def refusals(self, script: Script, upstream: str) -> dict[str, str]:
        """
        Return what a client shows of each refusal of ours, by its step: all that the agent may not do, a write in
        doubt, and everything asked under a key that nobody minted. A write in doubt was sent under one key.
        """
        ends = self.ends[upstream]
        ends.reset()
        target = self.target(upstream, PORT)
        steps = script(target)
        sent = [seen for seen in ends.behind.wiretap.requests if seen.method != "GET"]
        keys = {seen.header("Idempotency-Key") for seen in sent}
        assert len({(seen.method, seen.target, seen.body) for seen in sent}) == 1, "more than one write was sent"
        assert sent[0].method == "POST"
        # Where the vendor honours a key it may have been sent again, under the same one.
        assert len(keys) == 1 if None not in keys else len(sent) == 1, "a write in doubt was sent twice"
        self.decided()
        ends.reset()
        strange = script(replace(target, key=f"{KEY_PREFIX}nobody"))
        assert ends.behind.wiretap.requests == []
        self.check(ends.behind, bytes(target.heard) + repr((steps, strange)).encode())
        told = [*steps, Step("unknown key", strange[0].kind, strange[0].answer)]
        return {step.name: repr(step.answer) for step in told if step.kind == "error"}

    def decided(self) -> None:
        """
        Say of everything in doubt that it was not done, so that nobody looks for it while another play is on.
        """
        token = (self.breakwater.state / "admin.token").read_text().strip()
        shown = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=self.breakwater.doors["admin"], headers=shown, trust_env=False) as admin:
            for doubt in admin.get("/v1/doubt").json():
                said = {"applied": False, "reason": "the play is over"}
                admin.post(f"/v1/doubt/{doubt['intent']}/resolve", json=said, timeout=_DECIDED_S)

    def _direct(self, script: Script, upstream: str) -> Play:
        plain = self.ends[upstream].plain
        bases = dict.fromkeys(self.api.bases, plain.url)
        steps = script(Target(plain.url, self.secret, plain, upstream, bases))
        named = placed(steps, {plain.url: "<api>", urlsplit(plain.url).netloc: "<host>"})
        return Play(named, +plain.effects, [_asked(seen) for seen in plain.wiretap.requests])

    def _through(self, script: Script, upstream: str, style: str) -> Play:
        target = self.target(upstream, style)
        behind = self.ends[upstream].behind
        self.ledger.skip()
        steps = script(target)
        for origin in (*self.api.origins, behind.url):
            shown = mentions(steps, origin)
            assert not shown, f"{origin} was shown: {shown}"
        self.check(behind, bytes(target.heard) + repr(steps).encode())
        proof = self.ledger.proven(behind.wiretap.requests)
        assert set(proof.objectless) <= self.api.objectless, "a write has no change on record"
        hosts = (urlsplit(origin).netloc for origin in self.api.origins)
        named = placed(steps, dict.fromkeys(target.bases.values(), "<api>") | dict.fromkeys(hosts, "<host>"))
        asked = [_asked(seen) for number, seen in enumerate(behind.wiretap.requests, 1) if number not in proof.own]
        return Play(named, +behind.effects, asked, proof)

    def check(self, upstream: Sandbox, shown: bytes) -> None:
        """
        Fail if the agent's key or the real credential is where it must not be.
        """
        assert not upstream.wiretap.contains(self.key), "the upstream was sent the agent's key"
        assert set(upstream.wiretap.credentials) <= {self.secret}, "the upstream was shown another credential"
        log = self.breakwater.log.read_bytes()
        assert not any(form in shown + log for form in forms(self.secret)), "the real credential was shown"
        assert not any(form in log for form in forms(self.key)), "the log shows the agent's key"


def account(pool: str, number: int) -> str:
    """
    Return one of the API accounts of an upstream.
    """
    return f"{pool}-{number}"


def _asked(seen: Seen) -> object:
    path, _, query = seen.target.partition("?")
    return seen.method, unquote(path), parse_qsl(query, keep_blank_values=True)


def assert_ours(said: Mapping[str, str]) -> None:
    """
    Fail unless a client's errors show our reasons, and our sentence where nothing was sent.
    """
    reasons = {"not allowed": "not-allowed", "in doubt": "outcome-unknown", "unknown key": "key-unknown"}
    assert said.keys() == reasons.keys()
    assert [name for name, reason in reasons.items() if reason not in said[name]] == []
    assert "Nothing was sent to" in said["not allowed"]


@contextlib.contextmanager
def bench(
    folder: Path,
    api: Api,
    ends: Mapping[str, Ends],
    configured: Mapping[str, object],
    card: Mapping[str, object],
    **settings: object,
) -> Iterator[Bench]:
    """
    Run Breakwater in front of the upstreams, each under as many names as there are plays.
    """
    with ExitStack() as stack:
        apis: dict[str, object] = {}
        doors: dict[str, str] = {}
        for name, pair in ends.items():
            sockets = [account(f"{name}-socket", number) for number in range(SOCKETS)]
            doors |= {socket: f"unix:{folder}/{socket}.sock" for socket in sockets}
            for each in (*sockets, *(account(name, number) for number in range(PLAYS))):
                apis[each] = {**configured, "upstream": pair.behind.url, "aliases": _aliases(pair)}
        secret = next(iter(ends.values())).behind.secret
        document = {
            "shared": "127.0.0.1:0",
            "doors": doors,
            "apis": apis,
            "agents": {"worker": {**card, **_everywhere(card, apis)}},
            **settings,
        }
        installation, keys = stack.enter_context(
            running(folder / "breakwater", document, {"UPSTREAM_SECRET": secret}, ["worker"])
        )
        yield Bench(api, ends, installation, Ledger(installation.state), keys["worker"], secret)


def _everywhere(card: Mapping[str, object], apis: Iterable[str]) -> dict[str, object]:
    return {word: dict.fromkeys(apis, card[word]) for word in ("allow", "deny") if word in card}


def _aliases(pair: Ends) -> list[str]:
    return [alias for alias in (getattr(pair.behind, "target", ""), getattr(pair.behind, "base_url", "")) if alias]
