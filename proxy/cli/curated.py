"""What is known of an operation, for people and as JSON: what its table says, and what a person added to that."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict

from config.catalog import (
    WHOLE_BODY,
    Amount,
    Effect,
    Find,
    Listing,
    Marker,
    ObjectSpec,
    OperationSpec,
    Place,
    Reversibility,
    Source,
    Subject,
    Touch,
    Undo,
)
from config.habit import Habit
from config.lines import UNITS

# What a person reads in a list: whole hours and minutes, where there are any.
_UNITS = (("h", 3600), ("min", 60), ("s", 1))

CURATED, GENERATED = "curated", "generated"


def known(spec: OperationSpec) -> str:
    """
    Return whether a person has said anything of an operation, or only a generated table.
    """
    return CURATED if spec.curated else GENERATED


def said(spec: OperationSpec, everywhere: Collection[str]) -> Iterator[tuple[str, str]]:
    """
    Yield what is curated about an operation, as a label and a text; `everywhere` are members that no operation stores.
    """
    if not spec.curated and not spec.shows:
        return
    if spec.amount:
        yield "amount", _amount(spec.amount)
    if spec.effect is not Effect.READ and (moves := _moves(spec)):
        yield "moves", moves
    for subject in spec.subjects:
        yield "subject", _subject(subject)
    if spec.effect_key:
        yield "effect key", spec.effect_key
    if spec.effect_window_s:
        yield (
            "effect window",
            f"{_span(spec.effect_window_s)}, in which a second one is a suspected duplicate",
        )
    for touch in spec.touches:
        yield "touches", _touch(touch)
    for shown in spec.shows:
        yield "shows", f"{shown.type} by {', '.join(shown.key)}"
    if spec.undo:
        yield "undo", _undo(spec.undo)
    yield from _lost(spec)
    if spec.reversibility is not Reversibility.UNKNOWN:
        yield "reversibility", spec.reversibility + (f": {spec.note}" if spec.note else "")
    elif spec.note:
        yield "note", spec.note
    if more := [member for member in spec.never_store if member not in everywhere]:
        yield "never stored", ", ".join(more)
    yield from _used(spec.habit)
    if spec.aliases:
        yield "also named", ", ".join(spec.aliases)
    if (whole := spec.arguments.get((Place.BODY, WHOLE_BODY))) is not None:
        yield "whole body", str(whole.kind)
    if spec.body_bytes_max:
        yield "largest body", f"{spec.body_bytes_max} bytes"


def _used(habit: Habit) -> Iterator[tuple[str, str]]:
    """
    Yield how an operation is used, for the loop guard.
    """
    if habit.polling is not None:
        yield "polled", f"every {_span(int(habit.polling.interval_s))}, for {_span(int(habit.polling.for_s))}"
    if habit.volatile:
        yield "volatile", ", ".join(habit.volatile)
    if habit.many:
        yield "many", "it is done often at one place"


def _lost(spec: OperationSpec) -> Iterator[tuple[str, str]]:
    """
    Yield what is known of doing it once, and of finding out whether it was done.
    """
    if spec.key_kept_s:
        yield "key kept", f"{_span(spec.key_kept_s)}; as long a repeat under its key is the first"
    if spec.find:
        yield "find", _find(spec.find)
    if spec.find and spec.find.marked:
        yield "find marked", _listing(spec.find.marked)
    if spec.unfound:
        yield "find", f"nowhere: {spec.unfound}"
    if spec.answers_other:
        yield "answers", "something else than its object: an answer that was lost is not put together again"
    if spec.marker:
        yield "marker", _marker(spec.marker)
    if spec.done:
        yield "done", ", ".join(f"{at} is {' or '.join(map(_value, held))}" for at, held in spec.done)


def _span(seconds: int) -> str:
    unit, size = next((unit, size) for unit, size in _UNITS if seconds % size == 0)
    return f"{seconds // size} {unit}"


def _find(find: Find) -> str:
    who = f"by {find.creator}" if find.creator else "by nobody else"
    less = f", without {' or '.join(find.without)}" if find.without else ""
    later = ", once something later is there" if find.needs_later else ""
    absent = f"absent after {find.reads} reads {_span(find.apart_s)} apart, {_span(find.lag_s)} behind{later}"
    return f"{_listing(find.listing)}: {find.id} at {find.created} {who}{less}; {absent}"


def _listing(listing: Listing) -> str:
    parameters = [f"{name} = {spelled(source)}" for name, source in (*listing.sources, *listing.quoted)]
    parameters += [f"{name} = {value!r}" for name, value in listing.query]
    order = "newest first" if listing.newest_first else "to its end"
    return f"{listing.read} ({', '.join(parameters)}) {listing.items or 'whole'}, {order}"


def _marker(marker: Marker) -> str:
    return f"a {marker.form} in body.{marker.argument}{marker.pointer}, shown at {marker.shown}"


def _value(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _amount(amount: Amount) -> str:
    unbounded = f"; without a bound where {' or '.join(amount.unbounded_by)} is given" if amount.unbounded_by else ""
    answered = f"; the answer shows it at {amount.answered[0]}" if amount.answered else ""
    offered = "; once somebody accepts it" if amount.offered else ""
    offered += f"; as much once more for each of {', '.join(amount.again)}" if amount.again else ""
    if not amount.argument:
        return f"what its subject bounds{unbounded}{answered}{offered}"
    said = f"{amount.place}.{amount.argument}" + (f" times {amount.place}.{amount.times}" if amount.times else "")
    if amount.decimals:
        said += ", with decimals" + (", in whole units" if amount.decimals == UNITS else "")
    if amount.lines:
        times = f" times {amount.lines.times}" if amount.lines.times else ""
        return f"the sum of {said}: {' or '.join(amount.lines.amount)}{times}{unbounded}{answered}{offered}"
    currency = f"in `{amount.currency}`" if amount.currency else "in the currency of its subject"
    return f"{said} {currency}{unbounded}{answered}{offered}"


def _moves(spec: OperationSpec) -> str:
    """
    Return what is said of money beside an amount; nothing where the amount says it all.
    """
    if spec.moves_nothing:
        return "nothing"
    if spec.harmless:
        others = "what its amount says" if spec.amount else "nobody knows how much"
        return f"nothing with no arguments but {', '.join(sorted(spec.harmless))}; else {others}"
    return "" if spec.amount else "nobody knows how much"


def _subject(subject: Subject) -> str:
    bound = " ".join(f"{'+' if sign > 0 else '-'}{pointer}" for sign, pointer in subject.bound)
    for pointer, held in subject.where:
        bound += f", where {pointer} is {' or '.join(map(_value, held))}"
    read = f"{subject.operation} of {subject.place}.{subject.by}: currency {subject.currency}"
    return read + (f", at most {bound}" if bound else ", no bound")


def _touch(touch: Touch) -> str:
    sources = ", ".join(f"{name} = {spelled(source)}" for name, source in touch.sources)
    after = f"{touch.after}{touch.pointer}"
    return f"{touch.object.type} by {touch.object.read} ({sources}), before {touch.before}, after {after}"


def _undo(undo: Undo) -> str:
    if undo.person:
        return "only by a person"
    arguments = ", ".join(f"{name} = {spelled(source)}" for name, source in undo.arguments)
    made_up = undo.operation or "the inverse of what was changed, through this operation"
    return made_up + (f": {arguments}" if arguments else "")


def spelled(source: Source) -> str:
    """
    Return where a value comes from as an overlay spells it.
    """
    if source.origin in tuple(Place):
        return f"{source.origin}.{source.name}{source.pointer}" + (f" - {source.strip}" if source.strip else "")
    return f"={source.name}" if source.origin == "constant" else f"{source.origin}{source.name}"


def described(spec: OperationSpec) -> dict[str, object]:
    """
    Return everything that is known of an operation as one JSON object.
    """
    return {
        "name": spec.name,
        "aliases": list(spec.aliases),
        "curated": spec.curated,
        "method": spec.method,
        "path": spec.path,
        "base": spec.base,
        "effect": spec.effect,
        "reversibility": spec.reversibility,
        "honours_key": spec.honours_key,
        "amount": (spec.amount.argument or None) if spec.amount else None,
        "currency": spec.amount.currency if spec.amount else None,
        "moves": _moves_json(spec),
        "subjects": [{"by": subject.by, "operation": subject.operation} for subject in spec.subjects],
        "effect_key": spec.effect_key or None,
        "effect_window_s": spec.effect_window_s,
        "key_kept_s": spec.key_kept_s,
        "touches": [_touch_json(touch) for touch in spec.touches],
        "shows": [_object_json(shown) for shown in spec.shows],
        "undo": spec.undo and _undo_json(spec.undo),
        "find": spec.find and _find_json(spec.find),
        "unfound": spec.unfound or None,
        "answers_other": spec.answers_other,
        "marker": spec.marker and _marker_json(spec.marker),
        "done": {at: list(held) for at, held in spec.done},
        "content": dict(spec.contents),
        "open_body": spec.open_body,
        "arguments": {
            f"{place}.{name}": held.kind for (place, name), held in spec.arguments.items() if name != WHOLE_BODY
        },
        "whole_body": next((held.kind for (_, name), held in spec.arguments.items() if name == WHOLE_BODY), None),
        "never_store": list(spec.never_store),
        "poll": spec.habit.polling and asdict(spec.habit.polling),
        "volatile": list(spec.habit.volatile),
        "many": spec.habit.many,
        "note": spec.note,
    }


def _moves_json(spec: OperationSpec) -> object:
    """
    Return `nothing`, `unbounded`, or how much: by an amount, and with which arguments alone nothing.
    """
    if spec.effect is Effect.READ or spec.moves_nothing:
        return "nothing"
    amount = spec.amount
    if amount is None and not spec.harmless:
        return "unbounded"
    said: dict[str, object] = {"bounded": amount is not None, "nothing_with": sorted(spec.harmless)}
    if amount is None:
        return said
    lines = amount.lines
    return said | {
        "decimals": amount.decimals or None,
        "times": amount.times,
        "unbounded_by": list(amount.unbounded_by),
        "lines": lines and {"amount": list(lines.amount), "times": lines.times or None, "currency": lines.currency},
        "answered": amount.answered and list(amount.answered),
        "offered": amount.offered,
        "again": list(amount.again),
    }


def _undo_json(undo: Undo) -> object:
    # A word and no object: whoever reads an object without an operation as the inverse must not read this so.
    if undo.person:
        return "person"
    return {"operation": undo.operation, "with": {name: spelled(one) for name, one in undo.arguments}}


def _find_json(find: Find) -> dict[str, object]:
    return {
        "listing": _listing_json(find.listing),
        "marked": find.marked and _listing_json(find.marked),
        "id": find.id,
        "created": find.created,
        "creator": find.creator,
        "without": list(find.without),
        "claims": dict(find.claims),
        "key": dict(find.key),
        "lag_s": find.lag_s,
        "needs_later": find.needs_later,
        "reads": find.reads,
        "apart_s": find.apart_s,
    }


def _listing_json(listing: Listing) -> dict[str, object]:
    return {
        "read": listing.read,
        "with": [[name, spelled(source)] for name, source in listing.sources],
        "query": dict(listing.query),
        "quoted": [[name, spelled(source)] for name, source in listing.quoted],
        "items": listing.items,
        "paging": listing.paging,
        "page": listing.page or None,
        "more": listing.more or None,
        "newest_first": listing.newest_first,
    }


def _marker_json(marker: Marker) -> dict[str, str]:
    return {"argument": marker.argument, "form": marker.form, "pointer": marker.pointer, "shown": marker.shown}


def _touch_json(touch: Touch) -> dict[str, object]:
    return {
        **_object_json(touch.object),
        "with": {name: spelled(source) for name, source in touch.sources},
        "before": touch.before,
        "after": touch.after,
        "pointer": touch.pointer or None,
        "claims": dict(touch.claims),
    }


def _object_json(shown: ObjectSpec) -> dict[str, object]:
    return {
        "type": shown.type,
        "read": shown.read,
        "key": list(shown.key),
        "query": dict(shown.query),
        "names": list(shown.names),
        "expected": list(shown.expected),
    }
