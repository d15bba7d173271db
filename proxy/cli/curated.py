"""What is known of an operation, for people and as JSON: what its table says, and what a person added to that."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from config.catalog import (
    WHOLE_BODY,
    Amount,
    ObjectSpec,
    OperationSpec,
    Place,
    Reversibility,
    Source,
    Subject,
    Touch,
    Undo,
)

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
    for subject in spec.subjects:
        yield "subject", _subject(subject)
    if spec.effect_key:
        yield "effect key", spec.effect_key
    for touch in spec.touches:
        yield "touches", _touch(touch)
    for shown in spec.shows:
        yield "shows", f"{shown.type} by {', '.join(shown.key)}"
    if spec.undo:
        yield "undo", _undo(spec.undo)
    if spec.reversibility is not Reversibility.UNKNOWN:
        yield "reversibility", spec.reversibility + (f": {spec.note}" if spec.note else "")
    elif spec.note:
        yield "note", spec.note
    if more := [member for member in spec.never_store if member not in everywhere]:
        yield "never stored", ", ".join(more)
    if spec.aliases:
        yield "also named", ", ".join(spec.aliases)
    if (whole := spec.arguments.get((Place.BODY, WHOLE_BODY))) is not None:
        yield "whole body", str(whole.kind)
    if spec.body_bytes_max:
        yield "largest body", f"{spec.body_bytes_max} bytes"


def _amount(amount: Amount) -> str:
    currency = f"in `{amount.currency}`" if amount.currency else "in the currency of its subject"
    unbounded = f"; without a bound where {' or '.join(amount.unbounded_by)} is given" if amount.unbounded_by else ""
    return f"{amount.place}.{amount.argument} {currency}{unbounded}"


def _subject(subject: Subject) -> str:
    bound = " ".join(f"{'+' if sign > 0 else '-'}{pointer}" for sign, pointer in subject.bound)
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
        return f"{source.origin}.{source.name}" + (f" - {source.strip}" if source.strip else "")
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
        "amount": spec.amount.argument if spec.amount else None,
        "currency": spec.amount.currency if spec.amount else None,
        "subjects": [{"by": subject.by, "operation": subject.operation} for subject in spec.subjects],
        "effect_key": spec.effect_key or None,
        "touches": [_touch_json(touch) for touch in spec.touches],
        "shows": [_object_json(shown) for shown in spec.shows],
        "undo": spec.undo and _undo_json(spec.undo),
        "content": dict(spec.contents),
        "open_body": spec.open_body,
        "arguments": {
            f"{place}.{name}": held.kind for (place, name), held in spec.arguments.items() if name != WHOLE_BODY
        },
        "whole_body": next((held.kind for (_, name), held in spec.arguments.items() if name == WHOLE_BODY), None),
        "never_store": list(spec.never_store),
        "note": spec.note,
    }


def _undo_json(undo: Undo) -> object:
    # A word and no object: whoever reads an object without an operation as the inverse must not read this so.
    if undo.person:
        return "person"
    return {"operation": undo.operation, "with": {name: spelled(one) for name, one in undo.arguments}}


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
