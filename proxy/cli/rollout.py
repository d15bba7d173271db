"""`breakwater rollout`: what each tier would have done with an agent's recorded past, and what people said of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from config.faults import did_you_mean
from config.load import load
from config.money import MICROS_MAX, MICROS_PER_UNIT, Money
from config.tiers import TIERS
from proxy.advice import Share, agreed, coverage, overridden, recommendation, wrong
from proxy.cli.lookup import looking_into, moment
from proxy.cli.say import columns, data, shown
from proxy.cli.usage import add_command
from proxy.clock import SystemClock
from proxy.errors import StartRefused
from proxy.figures import WAYS, Figures, Sum, figures_of
from proxy.ledger.drafts import read_stamp, stamp

EPILOG = """\
examples:
  breakwater rollout support_refund_agent
  breakwater rollout support_refund_agent --since 7d
  breakwater rollout support_refund_agent --since 2026-11-01 --json

Reads pass in every tier, and what the card refuses is refused in each. No share
stands without its count and a 95 % interval: of ten decisions nobody knows much.
"""

SINCE = "30d"
"""A month: every weekday four times, and the card is still the same."""


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command is used.
    """
    add_command(parser, EPILOG, run)
    parser.add_argument("agent", metavar="AGENT")
    parser.add_argument(
        "--since", type=moment, default=SINCE, metavar="WHEN", help=f"a time, a day, or how long ago (default {SINCE})"
    )


def run(args: argparse.Namespace) -> int:
    """
    Print the figures, and what they say of the agent's tier.
    """
    configuration = load(args.config)
    card = configuration.agents.get(args.agent)
    if card is None:
        hint = did_you_mean(args.agent, configuration.agents) or "agents stand under `agents` in the configuration"
        raise StartRefused(f"there is no agent '{args.agent}'", hint)
    since, until = read_stamp(args.since), SystemClock().now()
    with looking_into(configuration.settings.state) as record:
        figures = figures_of(record.index, args.agent, since, until)
    if args.json:
        data(as_data(args.agent, str(card.tier), since, until, figures))
    else:
        for line in lines(args.agent, str(card.tier), since, until, figures):
            print(shown(line))
    return 0


def as_data(agent: str, tier: str, since: datetime, until: datetime, figures: Figures) -> dict[str, Any]:
    """
    Return the figures for programs; money as text with its currency.
    """
    refused = figures.refused
    return {
        "agent": agent,
        "tier": tier,
        "since": stamp(since),
        "until": stamp(until),
        "days_with_writes": len(figures.days),
        "reads": figures.reads,
        "writes": _sum(figures.writes),
        "repeats": figures.repeats,
        "refused": {name: refused[name] for name in ("writes", "reads", "unrecognised", "counted")},
        "tiers": {
            name: {**{way: _sum(figures.tiers[name][way]) for way in WAYS}, "refused": refused.total()}
            for name in TIERS
        },
        "made": {"alone": figures.made["alone"], "approver": figures.made["approver"]},
        "ended": {name: figures.ended[name] for name in ("applied", "not_applied", "unknown")},
        "decisions": asdict(figures.decisions),
        "agreed": agreed(figures).as_data(),
        "overridden": overridden(figures).as_data(),
        "coverage": coverage(figures).as_data(),
        "reviews": {
            "asked": figures.reviews.asked,
            "ok": figures.reviews.ok,
            "wrong": wrong(figures).as_data(),
            "rubric": {name: {"n": n, "mean": round(total / n, 2)} for name, (n, total) in _scores(figures)},
        },
        "operations": [
            {
                "operation": name,
                "writes": _sum(one.writes),
                "alone": one.alone,
                "agreed": Share(one.decisions.approved, one.decisions.n).as_data(),
                "wrong": Share(one.reviews.wrong, one.reviews.n).as_data(),
            }
            for name, one in sorted(figures.operations.items())
        ],
        "recommendation": recommendation(tier, figures),
    }


def _sum(one: Sum) -> dict[str, Any]:
    money = {currency: spelled(micros, currency) for currency, micros in sorted(one.money.items())}
    return {"n": one.n, "money": money}


def spelled(micros: int, currency: str) -> str:
    """
    Return an amount as people read it; a sum may be more than any one amount.
    """
    return str(Money(micros, currency)) if abs(micros) <= MICROS_MAX else f"{micros // MICROS_PER_UNIT} {currency}"


def _scores(figures: Figures) -> list[tuple[str, tuple[int, int]]]:
    return sorted(figures.reviews.scores.items())


def lines(agent: str, tier: str, since: datetime, until: datetime, figures: Figures) -> Iterator[str]:
    """
    Yield the lines that tell a person of it.
    """
    refused = figures.refused
    yield f"{agent}, tier `{tier}`, from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"
    yield (
        f"{figures.reads} reads, {figures.writes.n} writes on {len(figures.days)} days, {figures.repeats} repeats, "
        f"{refused.total()} refused ({refused['writes']} of them writes)"
    )
    yield ""
    rows = [[name, *(_cell(figures.tiers[name][way]) for way in WAYS), refused.total()] for name in TIERS]
    yield from columns(("tier", "passed", "parked", "to an approver", "refused"), rows)
    yield ""
    yield from _judged(figures)
    if len(figures.operations) > 1:
        yield ""
        yield from columns(("operation", "writes", "alone", "as wanted", "wrong"), _operations(figures))
    yield ""
    yield recommendation(tier, figures)


def _judged(figures: Figures) -> Iterator[str]:
    said, reviews = figures.decisions, figures.reviews
    edited = f", {said.changed} of {said.leaves} fields" if said.edited else ""
    yield (
        f"decided: {said.approved} as the agent wanted it, {said.edited} edited{edited}, {said.rejected} rejected; "
        f"not decided: {said.expired} expired, {said.void} void, {said.waiting} wait, {said.unasked} in shadow"
    )
    yield f"as the agent wanted it: {agreed(figures)}"
    yield f"overridden: {overridden(figures)}"
    yield f"sent without anyone's word: {coverage(figures)}"
    scores = ", ".join(f"{name} {total / n:.1f} (n {n})" for name, (n, total) in _scores(figures))
    yield f"reviewed: {reviews.n} of {reviews.asked} drawn, wrong {wrong(figures)}" + (f"; {scores}" if scores else "")


def _operations(figures: Figures) -> list[list[object]]:
    return [
        [
            name,
            _cell(one.writes),
            one.alone,
            Share(one.decisions.approved, one.decisions.n) if one.decisions.n else "-",
            Share(one.reviews.wrong, one.reviews.n) if one.reviews.n else "-",
        ]
        for name, one in sorted(figures.operations.items())
    ]


def _cell(one: Sum) -> str:
    money: Mapping[str, int] = one.money
    moved = ", ".join(spelled(micros, currency) for currency, micros in sorted(money.items()))
    return f"{one.n}: {moved}" if moved else str(one.n) if one.n else "-"
