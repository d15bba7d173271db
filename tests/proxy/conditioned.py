"""A road whose cards have conditions, in front of a Stripe and a GitHub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loadtest.installation import agent
from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.stripe import StripeSandbox
from loadtest.upstreams.stripe.account import Dispute, Invoice
from tests.proxy.road import Road
from tests.wire.client import Answer

DAY_S = 86_400
PASSED = (200, "executed", "yes", "forward:allowed")
REFUSED = (403, "denied", "no", "conditions:condition-refused")

WINDOW = 'look.disputes.data.exists(d, timestamp(d.created) > now - duration("4320h"))'
CHARGEBACK = {
    "when": WINDOW,
    "examples": [
        {"makes": made, "args": {"charge": "ch_1"}, "now": "2026-11-21T10:00:00Z", "look": {"disputes": {"data": data}}}
        for made, data in ((True, [{"created": 1790000000}]), (False, [{"created": 1770000000}]))
    ],
}
BY_CHARGE = {"disputes": {"disputes.list": {"charge": "args.charge"}}}
IS_OPEN = {
    "when": 'look.invoice.status == "open"',
    "examples": [
        {"makes": status == "open", "args": {"invoice": "in_1"}, "look": {"invoice": {"status": status}}}
        for status in ("open", "paid")
    ],
}
TEAM = {
    "when": "args.assignees.all(a, look.team.exists(m, m.login == a))",
    "examples": [
        {"makes": login == "ada", "args": {"owner": "acme", "assignees": [login]}, "look": {"team": [{"login": "ada"}]}}
        for login in ("ada", "eve")
    ],
}
MEMBERS = {"org": "args.owner", "team_slug": '"support"', "per_page": 2}
SMALL = {
    "when": "args.limit <= 10 && look.charge.amount > 0",
    "examples": [
        {"makes": limit <= 10, "args": {"limit": limit, "charge": "ch_1"}, "look": {"charge": {"amount": 1}}}
        for limit in (10, 11)
    ],
}
CARDS = {
    "support": agent(
        {
            "stripe": {
                "refunds.create": {"look": BY_CHARGE, "refuse_if": {"chargeback": CHARGEBACK}},
                "invoices.pay": {
                    "look": {"invoice": {"invoices.retrieve": {"invoice": "args.invoice"}}},
                    "require": {"open": IS_OPEN},
                    "duplicates": "agent",
                },
                "refunds.list": {
                    "look": {"charge": {"charges.retrieve": {"charge": "args.charge"}}},
                    "require": {"small": SMALL},
                },
                "customers.create": {},
            }
        },
        headers={"Stripe-Account": ["acct_1", "acct_2"]},
        loops=False,
    ),
    "triage": agent(
        {
            "github": {
                "issues/create": {},
                "issues/add-assignees": {
                    "look": {"team": {"teams/list-members-in-org": MEMBERS}},
                    "require": {"in-team": TEAM},
                },
            }
        },
        loops=False,
    ),
}


@dataclass(frozen=True)
class Site:
    """A road, and the sandboxes behind it."""

    on: Road
    stripe: StripeSandbox
    github: GithubSandbox

    async def refund(self, charge: object, agent: str = "support", **more: Any) -> Answer:
        """
        Ask for a refund of one cent.
        """
        headers = (("Breakwater-Duplicate", "allow"), *more.pop("headers", ()))
        form = {"charge": charge, "amount": 1, **more}
        return await self.on.ask("POST", "/v1/refunds", agent=agent, form=form, headers=headers)

    def dispute(self, charge: str, days: float, count: int = 1) -> None:
        """
        Have a charge contested so many days ago.
        """
        created = int(self.on.clock.now().timestamp() - days * DAY_S)
        for _ in range(count):
            self.stripe.account.add(Dispute(self.stripe.account.mint("dp_"), created, charge=charge), "dispute.seeded")

    def invoice(self, status: str) -> str:
        """
        Put an invoice into the account.
        """
        account = self.stripe.account
        return account.add(
            Invoice(account.mint("in_"), account.now(), amount_due=500, status=status), "invoice.seeded"
        ).id

    def looks(self, at: str = "/v1/disputes") -> list[str]:
        """
        Return the look-ups that Stripe has seen since the last clearing.
        """
        return [one.target for one in self.stripe.wiretap.requests if one.method == "GET" and one.path.startswith(at)]
