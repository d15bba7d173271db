"""
The text of a vendor's document, JSON or YAML, as plain values.

A vendor writes for every reader of YAML 1.2, not for us, so more is taken here than in a configuration (source.py): any
size that a description really has, anchors and their aliases, merge keys, numbers in every spelling. Values are those
of YAML's core schema, which is what JSON says too: `yes` and `on` are words, keys are text (`200` is a status as it is
in JSON), a fraction stays exact. What could be lost or read in two ways is refused with its line: a key that stands
twice, a tag, a second document.

An alias is the same value again, not a copy of it, so it costs no memory. What it would cost to read it out is counted
nevertheless, and bounded: ten lines of YAML can mean a billion values to whoever walks through them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NoReturn

import yaml

from config.faults import CatalogFault

# The largest description behind a bundled table has 12.4 MiB, as JSON with indentation.
BYTES_MAX = 64 * 1024 * 1024

# Values that a document has once its aliases are read out: the largest that a table was made of has 0.3 million.
VALUES_MAX = 10_000_000

# Far deeper than any honest schema; each level costs two frames of the reader's stack.
DEPTH_MAX = 200

# More digits than any number of a description has; it bounds the cost of reading one.
_DIGITS_MAX = 400

# The core schema of YAML 1.2.
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {text: text.lower() == "true" for text in ("true", "True", "TRUE", "false", "False", "FALSE")}
_WHOLE = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FRACTION = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def parse_document(data: bytes) -> object:
    """
    Return what a document says, or raise `CatalogFault` with the line of the first thing that is wrong.

    Text that begins with a brace or a bracket is JSON, anything else YAML.
    """
    if len(data) > BYTES_MAX:
        raise CatalogFault(f"the document is larger than {BYTES_MAX // 2**20} MiB", "is it the right file?")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CatalogFault("the document is not UTF-8", "unpack it if it is compressed") from None
    try:
        return _json(text) if text.lstrip()[:1] in {"{", "["} else _Yaml(text).document()
    except RecursionError:
        raise CatalogFault("the document is nested too deeply") from None


def _json(text: str) -> object:
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_float=_fraction, parse_int=_whole, parse_constant=_no_number
        )
    except json.JSONDecodeError as broken:
        raise CatalogFault(f"line {broken.lineno}, column {broken.colno}: not JSON: {broken.msg}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise CatalogFault(f"a JSON object has the member `{twice[:60]}` twice", "one of the two would be lost")
    return members


def _whole(text: str) -> int | str:
    # What has more digits is no number to us; nothing here needs its value.
    return int(text, 0 if text[:2] in {"0x", "0o"} else 10) if len(text) <= _DIGITS_MAX else text


def _fraction(text: str) -> Decimal | str:
    return Decimal(text) if len(text) <= _DIGITS_MAX else text


def _no_number(text: str) -> NoReturn:
    raise CatalogFault(f"`{text}` is no number in JSON")


class _Yaml:
    """
    Builds values out of a parser's events, so that nothing is resolved behind its back.
    """

    def __init__(self, text: str) -> None:
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.CSafeLoader)
        # What each anchor stands for, and how many values that is.
        self._anchored: dict[str, tuple[object, int]] = {}
        self._values = 0

    def document(self) -> object:
        """
        Return the one document that the text holds.
        """
        try:
            next(self._events)  # the stream begins
            if isinstance(next(self._events), yaml.StreamEndEvent):
                raise CatalogFault("the document is empty")
            value = self._value(next(self._events), 0)
            next(self._events)  # the document ends
            after = next(self._events)
        except yaml.MarkedYAMLError as broken:
            mark = broken.problem_mark or broken.context_mark
            where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
            raise CatalogFault(f"{where}not YAML: {broken.problem or 'it cannot be read'}") from None
        except yaml.YAMLError:
            raise CatalogFault("the document holds characters that YAML forbids", "is it text?") from None
        if not isinstance(after, yaml.StreamEndEvent):
            raise _fault(after, "a second document begins here", "import each by itself")
        return value

    def _value(self, event: yaml.Event, depth: int) -> object:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            raise _fault(event, "a value should stand here")
        if event.tag is not None:
            raise _fault(event, f"the tag `{event.tag[:60]}` is not read here", "remove the word that begins with `!`")
        before = self._values
        self._count(event, 1)
        value: object
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif depth >= DEPTH_MAX:
            raise _fault(event, f"this is nested more than {DEPTH_MAX} deep")
        else:
            value = self._list(depth) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(depth)
        if event.anchor is not None:
            self._anchored[event.anchor] = value, self._values - before
        return value

    def _alias(self, event: yaml.AliasEvent) -> object:
        name = str(event.anchor)
        if name not in self._anchored:
            hint = "an alias stands after the whole of the value that it repeats"
            raise _fault(event, f"the alias `*{name[:60]}` repeats nothing that is known here", hint)
        value, values = self._anchored[name]
        self._count(event, values)
        return value

    def _count(self, event: yaml.Event, values: int) -> None:
        self._values += values
        if self._values > VALUES_MAX:
            raise _fault(event, f"with its aliases read out the document has more than {VALUES_MAX:,} values")

    def _list(self, depth: int) -> list[object]:
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, object]:
        members: dict[str, object] = {}
        merged: dict[str, object] | None = None
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
                raise _fault(event, "a key is one word")
            merging = event.value == "<<" and _is_bare(event)
            if event.value in members or (merging and merged is not None):
                raise _fault(event, f"`{event.value[:60]}` stands here twice", "one of the two would be lost")
            if merging:
                merged = _merged(event, self._value(next(self._events), depth + 1))
                continue
            if event.anchor is not None:
                self._anchored[event.anchor] = event.value, 1
            members[event.value] = self._value(next(self._events), depth + 1)
        return {**merged, **members} if merged else members


def _merged(event: yaml.Event, value: object) -> dict[str, object]:
    """
    Return the members that a merge key brings; of several mappings the first one with a member gives it.
    """
    found: dict[str, object] = {}
    for mapping in value if isinstance(value, list) else [value]:
        if not isinstance(mapping, dict):
            raise _fault(event, "a merge key takes a mapping, or a list of them")
        found = {**mapping, **found}
    return found


def _scalar(event: yaml.ScalarEvent) -> object:
    text: str = event.value
    if not _is_bare(event):
        return text
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    # Most values are words, which neither pattern need be asked about.
    if not text.startswith(("+", "-", ".", *"0123456789")):
        return text
    if _WHOLE.fullmatch(text):
        return _whole(text)
    return _fraction(text) if _FRACTION.fullmatch(text) else text


def _is_bare(event: yaml.ScalarEvent) -> bool:
    return event.style in {None, ""}


def _fault(event: yaml.Event, what: str, hint: str = "") -> CatalogFault:
    mark = event.start_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return CatalogFault(f"{where}{what}", hint)
