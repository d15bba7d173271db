"""
The gate `spend`: what a call may take of every cap above it, at most.

The caps of one call stand in one order: those that its token was narrowed by, of its task, of the tasks that this is
part of, of its agent, its agent's team, and its API account. Each is charged with the most that the call can take of
it: one call, one write, the money that it moves, the money that is paid for it. Whether there is room is not known
here: a store takes all of these charges in one step, or none.

An amount is asked for only where a cap in money stands above the call, and what cannot be bounded is refused, unless
every entry that allows the call says what to hold for it: that, or what the call itself says if it is more. Nothing at
all may be held for it, but not under a cap of nothing. A cap in one currency refuses what moves another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from breakers.above import Cap, caps_above, is_capped
from breakers.amounts import amount_moved, may_move, moved_at_least, moved_with
from breakers.call import Call
from breakers.facts import Facts
from breakers.policy import Entry, Passed, Policy
from breakers.prices import paid_at_most
from breakers.spend import CALLS, MOVED, PAID, WRITES, Charge, money_measure
from breakers.verdict import Ask, Reason, Refuse
from config.caps import CallCaps
from config.money import NO_EXPONENTS, Money

GATE = "spend"

UNKNOWN_COST = "unknown-cost"
"""The flag of a call for which a sum is held that its card says, because nothing bounds what it takes."""

# A store's step is bounded; the caps of a configuration are far fewer, those of a token may be more.
TOTALS_MAX = 16


def spendcap(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Passed | Refuse | Ask:
    """
    Charge a call at every cap above it.

    Precedence: what a cap of a token cannot be read as, what it moves, what it costs, its own caps, currencies.
    """
    if not is_capped(call, policy.spending):
        return passed
    own, caps = policy.spending.of(call.caller.agent).call, caps_above(call, policy.spending, facts.at)
    if isinstance(caps, Refuse):
        return caps
    if not caps and own.moved is own.paid is None:
        return passed
    money: dict[str, Money] = {}
    unknown: set[str] = set()
    for kind, most in ((MOVED, _moved), (PAID, _paid)):
        if all(getattr(held, kind) is None for held in (own, *(cap.caps for cap in caps))):
            continue
        found = most(call, policy, facts, passed)
        if isinstance(found, Refuse) and (reserve := _instead(found, passed.entries)) is not None:
            found = reserve if kind == PAID else _at_least(found, reserve, call, policy, facts)
            unknown.add(kind)
        elif isinstance(found, Money) and kind == MOVED:
            passed, found = replace(passed, moved=found), moved_with(call.operation, found)
        if isinstance(found, Refuse | Ask):
            return replace(found, gate=GATE) if isinstance(found, Refuse) else found
        if found is not None:
            money[kind] = found
    charges = _over(own, money, unknown) or _charged(call, caps, money, unknown)
    if isinstance(charges, Refuse):
        return charges
    flags = (UNKNOWN_COST,) if unknown else ()
    return replace(passed, charges=charges, flags=(*passed.flags, *flags))


def _moved(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Money | Refuse | Ask | None:
    """
    Return the most that a call moves, None where it moves nothing.
    """
    if not may_move(call.operation):
        return None
    if passed.moved is not None:
        return passed.moved
    return amount_moved(call.operation, facts, policy.exponents.get(call.api, NO_EXPONENTS))


def _paid(call: Call, policy: Policy, facts: Facts, passed: Passed) -> Money | Refuse | None:  # noqa: ARG001 as the other
    """
    Return the most that a call costs, None where it costs nothing.
    """
    price = policy.spending.price(call.api, call.operation.spec.name)
    return None if price is None else paid_at_most(price, call.operation)


def _instead(refused: Refuse, entries: tuple[Entry, ...]) -> Money | None:
    """
    Return what is held where nothing bounds an amount: the most that an entry says, if each says something.
    """
    sums = [entry.unknown_cost for entry in entries if entry.unknown_cost is not None]
    if refused.reason is not Reason.AMOUNT_UNBOUNDED or not sums or len(sums) < len(entries):
        return None
    if len({one.currency for one in sums}) > 1:
        return None
    return max(sums)


def _at_least(refused: Refuse, reserve: Money, call: Call, policy: Policy, facts: Facts) -> Money | Refuse | Ask:
    """
    Return what is held instead of an unknown sum, but never less than the call itself says that it moves.

    Else whoever makes a call uncertain by one more argument would have it for the price of what is unknown.
    """
    exponents = policy.exponents.get(call.api, NO_EXPONENTS)
    known = moved_at_least(call.operation, facts, exponents, reserve.currency)
    if isinstance(known, Money):
        known = moved_with(call.operation, known)
    if not isinstance(known, Money):
        return reserve if known is None else known
    return max(reserve, known) if known.currency == reserve.currency else refused


def _over(own: CallCaps, money: dict[str, Money], unknown: Collection[str]) -> Refuse | None:
    for kind, taken in money.items():
        sums: tuple[Money, ...] | None = getattr(own, kind)
        if sums is None:
            continue
        cap = _in_currency(sums, taken)
        if cap is None:
            return _other_currency("call", kind, taken, sums)
        if kind in unknown and not (cap.micros or taken.micros):
            return _of_nothing("call", kind, cap)
        if taken > cap:
            detail = f"One call may {_DOES[kind]} at most {cap}, and this one may {_DOES[kind]} {taken}."
            said = (("node", "call"), ("measure", money_measure(kind, cap.currency)), ("cap", str(cap)))
            return Refuse(Reason.BUDGET_EXHAUSTED, GATE, detail, (*said, ("requested", str(taken))))
    return None


_DOES = {MOVED: "move", PAID: "cost"}


def _charged(
    call: Call, caps: tuple[Cap, ...], money: dict[str, Money], unknown: Collection[str]
) -> tuple[Charge, ...] | Refuse:
    charges: dict[tuple[str, str, str], Charge] = {}
    writes = call.operation.writes
    for cap in caps:
        if cap.caps.calls is not None:
            _add(charges, cap.charge(CALLS, 1, cap.caps.calls))
        if cap.caps.writes is not None and writes:
            _add(charges, cap.charge(WRITES, 1, cap.caps.writes))
        for kind, taken in money.items():
            sums: tuple[Money, ...] | None = getattr(cap.caps, kind)
            if sums is None:
                continue
            most = _in_currency(sums, taken)
            if most is None:
                return _other_currency(cap.node, kind, taken, sums)
            if kind in unknown and not (most.micros or taken.micros):
                return _of_nothing(cap.node, kind, most)
            if taken.micros:
                _add(charges, cap.charge(money_measure(kind, taken.currency), taken.micros, most.micros))
    if len(caps) > TOTALS_MAX and len({(node, period) for node, period, _ in charges}) > TOTALS_MAX:
        detail = f"More than {TOTALS_MAX} caps stand above this call; use a token that was narrowed less often."
        return Refuse(Reason.TOKEN_NARROWED, GATE, detail)
    return tuple(charges.values())


def _add(charges: dict[tuple[str, str, str], Charge], charge: Charge) -> None:
    """
    Add a charge; of two caps of one total the smaller counts.
    """
    key = (charge.node, charge.period, charge.measure)
    other = charges.get(key)
    if other is None or charge.cap < other.cap:
        charges[key] = charge


def _in_currency(sums: Iterable[Money], taken: Money) -> Money | None:
    return next((one for one in sums if one.currency == taken.currency), None)


def _of_nothing(node: str, kind: str, cap: Money) -> Refuse:
    detail = f"How much this would {_DOES[kind]} is not known, and the cap above it is {cap}."
    said = (("node", node), ("measure", money_measure(kind, cap.currency)), ("cap", str(cap)))
    return Refuse(Reason.BUDGET_EXHAUSTED, GATE, detail, said)


def _other_currency(node: str, kind: str, taken: Money, sums: Iterable[Money]) -> Refuse:
    capped = ", ".join(one.currency for one in sums)
    detail = f"This would {_DOES[kind]} {taken.currency}, and the cap above it is in {capped} only."
    said = (("node", node), ("measure", money_measure(kind, taken.currency)))
    return Refuse(Reason.BUDGET_EXHAUSTED, GATE, detail, said)
