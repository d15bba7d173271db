"""What the writers of a fleet do: half of them at Stripe, half at GitHub, and what both know of each write."""

from __future__ import annotations

import random
from collections import Counter

from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.stripe import StripeSandbox
from loadtest.upstreams.stripe.account import Refund
from tests.crash.mixes import NAME, Asked, GithubMix, StripeMix


class BothMix:
    """
    The work at both APIs; an agent has one of them, by its place.
    """

    api = "stripe"

    def __init__(self, stripe: StripeSandbox, github: GithubSandbox, charge: str) -> None:
        self.stripe, self.github, self.charge = StripeMix(stripe, charge), GithubMix(github), charge

    def drawn(self, draw: random.Random, name: str, agent: str, last: Asked | None, *, refuse: bool) -> Asked:
        mix = self.stripe if int(agent.rpartition("_")[2]) % 2 else self.github
        return mix.drawn(draw, name, agent, last, refuse=refuse)

    def note(self, asked: Asked, status: int, body: bytes) -> None:
        self.stripe.note(asked, status, body)

    def done(self) -> Counter[str]:
        return self.stripe.done() + self.github.done()

    def arrived(self) -> Counter[str]:
        return self.stripe.arrived() + self.github.arrived()

    def refunded(self, prefix: str) -> int:
        """
        Return the cents that refunds of that name moved at the upstream.
        """
        made = self.stripe.sandbox.account.all(Refund)
        return sum(
            one.amount
            for one in made
            if NAME.fullmatch(name := one.metadata.get("name", "")) and name.startswith(prefix)
        )

    def reads(self, path: str) -> int:
        """
        Return how often a path was read at the upstream.
        """
        return self.stripe.sandbox.wiretap.count("GET", path)

    def begun(self) -> int:
        """
        Return how many writes have begun at either upstream.
        """
        wires = [*self.stripe.sandbox.wiretap._wires, *self.github.sandbox.wiretap._wires]
        return sum(wire.count(b"POST /") for wire in wires)
