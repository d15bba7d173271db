"""
How a change is printed: one header for each object, below it what changed, the unexpected first.

    github issue changed: 1 requested, 1 expected, 1 unexpected
    ! ~ /locked  false → true  (unexpected)
      ~ /title  "Old" → "New"
      ~ /comments  1 → 2  (expected)
      ? /labels  (asked for, and not to be seen afterwards)

`+` is a member that came, `-` one that went, `~` one that changed. Values are JSON, cut where they are long; of two
long texts, what they begin with alike is left out. The whole of everything is in the JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.compare import Note
from proxy.images import parse_image, same, spell_text
from proxy.ledger.blobs import Kept, Opening, Payload
from proxy.paths import Op, pointer, pointer_names

Opened = Mapping[str, Payload | Opening]

VALUE_SHOWN_MAX = 60
"""Two values and their path fit a wide line."""

ALIKE_SHOWN = 12
"""Characters of a common beginning that show where in a text it changes."""

LINES_MAX = 40
"""Changes of one object that are printed: more than a screen, and unexpected ones come first."""

WHY: Mapping[str, str] = {
    Note.BEFORE_MISSING: "An object could not be read before the write: what it was is not known.",
    Note.AFTER_MISSING: "An object could not be read after the write: what became of it is not known.",
    Note.TOO_BIG: "The objects are too large, or changed in too many places, to be compared; what was read is kept.",
    Note.NOT_JSON: "What was read is not one JSON object, so there is nothing to compare.",
    Note.NUM_LOSSY: "An object has a number that cannot be kept exactly, so it was not compared.",
    Note.INTERRUPTED: "The program stopped between the write and its comparison.",
}

VERBS = {"create": "created", "update": "changed", "delete": "deleted", "none": "unchanged"}

ORDER = ("unexpected", "requested", "expected")
COUNTED = ("requested", "expected", "unexpected", "unseen")

_MARKS = {"add": "+", "remove": "-", "replace": "~"}


@dataclass(frozen=True, slots=True)
class _Diff:
    """
    The payloads of a change, parsed: its patch, by path the values before it, the paths by who asked for them.
    """

    patch: Sequence[Op]
    before: Mapping[str, object]
    paths: Mapping[str, Sequence[str]]

    def of(self, kind: str) -> Iterator[tuple[str, Op]]:
        """
        Yield the operations on one object with who asked for each, the unexpected first.
        """
        for who in ORDER:
            wanted = set(_of(kind, self.paths.get(who, ())))
            yield from ((who, op) for op in self.patch if op["path"] in wanted)


def summary(entry: Mapping[str, Any]) -> str:
    """
    Return what a change comes to, in a few words.
    """
    said = [f"{kind} {_verb(act, entry)}" for kind, act in _objects(entry)]
    return "; ".join(text for text in (*said, _counted(entry.get("n", {})), entry.get("note")) if text)


def change_lines(entry: Mapping[str, Any], opened: Opened) -> Iterator[str]:
    """
    Yield the lines that tell a person what a write changed.
    """
    diff = _parsed(opened)
    for kind, act in _objects(entry):
        yield from _object_lines(kind, f"{entry.get('prov', '')} {kind} {_verb(act, entry)}".strip(), diff)
    if entry.get("sens"):
        yield f"members that are never stored, and stand in no diff: {entry['sens']}"
    if "note" in entry:
        yield WHY.get(entry["note"], f"note: {entry['note']}")


def parsed_json(data: bytes) -> dict[str, object]:
    """
    Return a payload for people's JSON tools as `json`; and as `text`, where their numbers would lose some of it.
    """
    text = data.decode("utf-8", "backslashreplace")
    try:
        value = json.loads(data)
        spelled = json.dumps(value)
        # What no output can be encoded from stays escaped.
        json.dumps(value, ensure_ascii=False).encode()
        exact = same(parse_image(spelled.encode()), parse_image(data))
    except (ValueError, RecursionError):
        return {"text": text}
    return {"json": value} if exact else {"json": value, "text": text}


def _objects(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    # An object stands there once for each of its ids.
    return list({one["type"]: (one["type"], one["act"]) for one in entry.get("res", ())}.values())


def _verb(act: str, entry: Mapping[str, Any]) -> str:
    # Where less was compared than was touched, nobody can say of an object that it stayed as it was.
    return "not known to have changed" if act == "none" and "note" in entry else VERBS.get(act, act)


def _object_lines(kind: str, header: str, diff: _Diff | None) -> Iterator[str]:
    if diff is None:
        yield header
        return
    counted = _counted({who: len(_of(kind, paths)) for who, paths in diff.paths.items()})
    yield f"{header}: {counted}" if counted else header
    lines = list(_changes(kind, diff))
    yield from lines[:LINES_MAX]
    if len(lines) > LINES_MAX:
        yield f"  … and {len(lines) - LINES_MAX} more"
    for path in _of(kind, diff.paths.get("unseen", ())):
        yield f"  ? {_below(path)}  (asked for, and not to be seen afterwards)"


def _changes(kind: str, diff: _Diff) -> Iterator[str]:
    for who, op in diff.of(kind):
        mark, tail = "!" if who == "unexpected" else " ", "" if who == "requested" else f"  ({who})"
        path, value = str(op["path"]), op.get("value")
        if len(pointer_names(path)) == 1:
            # A whole object came or went: its members say what it was.
            sign, held = ("-", diff.before.get(path)) if value is None else ("+", value)
            members = held.items() if isinstance(held, dict) else ()
            yield from (f"{mark} {sign} {pointer((name,))}  {_cut(spell_text(inner))}{tail}" for name, inner in members)
        else:
            yield f"{mark} {_MARKS[str(op['op'])]} {_below(path)}  {_values(op, diff.before.get(path))}{tail}"


def _values(op: Op, before: object) -> str:
    if op["op"] == "add":
        return _cut(spell_text(op["value"]))
    was = spell_text(before)
    if op["op"] == "remove":
        return _cut(was)
    now = spell_text(op["value"])
    alike = _alike(was, now) if max(len(was), len(now)) > VALUE_SHOWN_MAX else 0
    return f"{_cut(was, alike)} → {_cut(now, alike)}"


def _alike(one: str, other: str) -> int:
    length = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return max(0, length - ALIKE_SHOWN)


def _cut(text: str, start: int = 0) -> str:
    kept = text[start : start + VALUE_SHOWN_MAX]
    return f"{'…' if start else ''}{kept}{'…' if start + len(kept) < len(text) else ''}"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[who]} {who}" for who in COUNTED if counts.get(who))


def _of(kind: str, paths: Iterable[str]) -> list[str]:
    return [path for path in paths if pointer_names(path)[:1] == (kind,)]


def _below(path: str) -> str:
    return pointer(pointer_names(path)[1:])


def _parsed(opened: Opened) -> _Diff | None:
    held = {part: payload.data for part, payload in opened.items() if isinstance(payload, Kept)}
    try:
        patch, inverse, paths = (parse_image(held[part]) for part in ("patch", "inv", "paths"))
    except (KeyError, ValueError):
        return None
    if not (isinstance(patch, list) and isinstance(inverse, list) and isinstance(paths, dict)):
        return None
    return _Diff(patch, {op["path"]: op["value"] for op in inverse if op["op"] in {"add", "replace"}}, paths)
