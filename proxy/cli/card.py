"""
How an approver's card is printed: what is ours in plain lines, what others wrote behind `|`.

What the agent sent stands behind `|`, what the API shows behind `>`; both are on one line each, with whatever could
steer a terminal spelled out, and neither is ever an instruction to whoever reads it. Of the request nothing is cut.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from config.faults import Unreadable
from config.money import Money
from proxy.cli.say import shown
from proxy.ledger.chargelines import spell_amount

VALUE_SHOWN_MAX = 200
"""Of a value that the API shows; the whole of it is in the JSON."""

DIGITS = 16
"""Of a digest that is to be typed."""

RISKS = {
    "reversible": "it can be undone",
    "compensable": "it can be made up for, and not undone",
    "irreversible": "it CANNOT be undone",
    "unknown": "whether it can be undone is not known",
}

ACTS = {"create": "makes", "update": "changes", "delete": "removes"}

AGENT, API = "  | ", "  > "

NOTHING: tuple[object, ...] = (None, "", [], {})
"""Members that say nothing are not printed; they are in the JSON."""


def card_lines(card: Mapping[str, Any]) -> Iterator[str]:
    """
    Yield the lines of a card.
    """
    yield from map(shown, _lines(card))


def _lines(card: Mapping[str, Any]) -> Iterator[str]:
    yield f"suggestion {card['suggestion']}: {card['state']}{_how(card)}"
    yield from _pairs(_facts(card))
    yield ""
    yield "why it waits"
    yield from (f"  {one['detail']} ({one['by']})" for one in card["asked_for"])
    if kept := card.get("kept_back"):
        yield f"  It is approved and not sent yet, {kept['reason']}: {kept['detail']}"
    yield ""
    yield from _request(card["request"], card.get("edited_by") or "the agent")
    yield ""
    yield from _would(card)
    yield from _takes(card["takes"])
    if card["can_be_made"] and card["state"] == "open":
        yield ""
        digest = card["digest"][:DIGITS]
        yield f"approve exactly this:  breakwater suggestions approve {card['suggestion']} --digest {digest}"
    elif "left_out" in card["request"]:
        yield ""
        yield "A part of it is never stored, so it cannot be sent from here: it can only be rejected."


def _how(card: Mapping[str, Any]) -> str:
    said = [text for text in (card.get("by") and f"by {card['by']}", why_words(card)) if text]
    return (f" ({', '.join(said)})" if said else "") + made_words(card)


def why_words(card: Mapping[str, Any]) -> str:
    """
    Return why a suggestion has ended, in words where there are some; nothing where that goes without saying.
    """
    why, words = card.get("why") or "", card.get("because")
    return f"{why}: {words}" if words else why


def made_words(card: Mapping[str, Any]) -> str:
    """
    Return as what a suggestion was carried out, and what is known of that; nothing where it was not.
    """
    if not card.get("intent"):
        return ""
    made, status = card.get("made") or {}, ""
    if made.get("status") is not None:
        status = f", status {made['status']}"
    match made.get("applied"):
        case True:
            how = f"it took effect{status}"
        case False:
            how = f"it had no effect{status}"
        case _:
            how = "how it ended is not known yet; `breakwater doubt list` names what is looked for"
    return f", as {card['intent']}: {how}"


def _facts(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    caller, target = card["caller"], card["target"]
    yield "agent", caller["agent"]
    yield "task", caller["task"]
    yield from ((f"  {name}", text) for name, text in sorted(card["labels"].items()))
    if narrowed := [text for text, _ in caller["caveats"][3:]]:
        yield "token", f"narrowed to {', '.join(narrowed)}"
    yield "api", f"{target['api']} at {target['socket'] or target['origin']}, credential {card['credential']}"
    yield "operation", card["operation"]
    yield "risk", f"{card['effect']}: {RISKS.get(card['risk'], card['risk'])}"
    yield "moves", money(card["moves"]) if card["moves"] else "no money that is known"
    yield "asked", card["asked"]
    yield "expires", card["expires"]
    yield "needs", " and ".join(card["roles"])
    yield "policy", str(card["policy"])[:12]
    yield "digest", card["digest"]
    if edit := card.get("edit"):
        more = f", {signed(edit['micros'], card['moves'])}" if edit.get("micros") not in {None, "0"} else ""
        yield "edited", f"by {card['edited_by']}: {edit['changed']} of {edit['of']} values{more}"


def money(moves: Mapping[str, str]) -> str:
    """
    Return what is moved, in words.
    """
    try:
        return str(Money(int(moves["micros"]), moves["currency"]))
    except Unreadable:
        return f"{moves['micros']} micro-units of {moves['currency']}"


def signed(micros: str, moves: Mapping[str, str] | None) -> str:
    """
    Return how much more, or less, an edited write moves.
    """
    amount = int(micros)
    said = money({"micros": str(abs(amount)), "currency": (moves or {}).get("currency", "")})
    return f"{said} {'more' if amount > 0 else 'less'}"


def _request(request: Mapping[str, Any], whose: str) -> Iterator[str]:
    yield f"what would be sent, as {whose} wrote it"
    yield f"{AGENT}{request['method']} /{'/'.join(request['segments'])}"
    yield from (
        f"{AGENT}{name}: {value}" for name, value in (*request.get("headers", ()), *request.get("redirecting", ()))
    )
    yield from (f"{AGENT}?{name} = {value}" for name, value in request.get("query", ()))
    yield from (f"{AGENT}{line}" for line in _body(request.get("body")))
    if request.get("key"):
        yield f"{AGENT}under its own key {request['key']}"
    if request.get("left_out"):
        yield f"  never stored, and not shown: {', '.join(request['left_out'])}"
    for name in ("mistyped", "undeclared"):
        if request.get(name):
            yield f"  {name}: {', '.join(request[name])}"


def _body(body: Any) -> Iterator[str]:
    match body:
        case {"form": pairs}:
            yield from (f"{name} = {value}" for name, value in pairs)
        case {"json": value}:
            yield from json.dumps(value, indent=2, ensure_ascii=False).splitlines()
        case {"parts": parts}:
            yield from (f"part {one['name']} ({one['filename'] or 'field'}): {one['data']}" for one in parts)
        case {"bytes": data}:
            yield f"bytes, base64: {data}"
        case _:
            yield "(no body)"


def _would(card: Mapping[str, Any]) -> Iterator[str]:
    would = card["would"]
    if would is None:
        why = "no recipe says what it touches" if card["recognised"] else "no process runs that knows the operation"
        yield f"what it would change cannot be told: {why}"
        return
    yield f"what it would do, as far as that can be told: it {ACTS[would['act']]} a {would['kind']}"
    for ask in would["asks"]:
        was = "" if ask["was"] is None else f"{_cut(ask['was'])} → "
        yield f"  {'+' if ask['was'] is None else '~'} {ask['path']}  {was}{_cut(ask['becomes'])}"
    if would["by_itself"]:
        yield f"  with it may change: {', '.join(would['by_itself'])}"
    if would["others"]:
        yield f"  it touches beside it: {', '.join(would['others'])}"
    if would["unseen"]:
        yield "  what it would change could not be read"
    makes = would["kind"] if would["act"] == "create" else None
    for kind, held in card["before"].items():
        if kind == makes:
            continue
        yield f"the {kind} before it, as {card['api']} shows it"
        members = held.items() if isinstance(held, dict) else (("", held),)
        if held is None:
            yield "  there is none"
            continue
        said = [(name, value) for name, value in members if value not in NOTHING]
        yield from (f"{API}{name}: {_cut(json.dumps(value, ensure_ascii=False))}" for name, value in said)


def _takes(takes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for one in takes:
        if one["left"] is not None:
            amount, left = spell_amount(one["measure"], one["amount"]), spell_amount(one["measure"], one["left"])
            what = f"{one['node']} ({one['measure'].partition(':')[0]}, {one['period']})"
            yield f"takes {amount} of {what}: {left} are left now"


def _pairs(facts: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, value in facts:
        yield f"  {name:10} {value}"


def _cut(text: str) -> str:
    return text if len(text) <= VALUE_SHOWN_MAX else f"{text[:VALUE_SHOWN_MAX]}… ({len(text)} characters)"
