"""
YAML text as plain values, each with the place where it stands.

The reader takes less than YAML offers, and what it takes means the same to every reader of YAML: text, whole numbers,
exact decimals, `true`, `false`, `null`, lists and mappings with text keys. It is built on the parser's events and not
on its objects, so that nothing is resolved behind its back: an alias, a merge key, a tag, a duplicate key, a second
document and the words that YAML 1.1 takes for booleans are faults with a place, and nesting is bounded as it is read.
A decimal becomes `Decimal`; no float is ever made.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import yaml

from config.faults import Fault

# Far above any configuration that a person reviews; a larger file is the wrong file.
FILE_BYTES_MAX = 2**20

# The deepest place of an agent card is at 7; each level costs a frame of the reader's stack.
DEPTH_MAX = 24

# More digits than any number here has; it bounds the cost of reading one.
DIGITS_MAX = 20

# What YAML 1.1 reads as a boolean beside `true` and `false`: written bare, it is misread by some program.
_TRAP = re.compile(r"(?i:yes|no|on|off)|True|TRUE|False|FALSE")
_NULL = re.compile(r"|~|null|Null|NULL")
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
# Everything else that some version of YAML reads as a number: octal, hexadecimal, exponents, underscores, infinity.
_ODD_NUMBER = re.compile(
    r"[-+]?(?:0[xob][0-9a-fA-F_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?"
    r"|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)"
)

Trail = tuple[str | int, ...]
"""The way from the top of a document to a value: keys and indices."""


@dataclass(frozen=True, slots=True)
class Spot:
    """
    A place in a file; lines and columns count from 1.
    """

    file: str
    line: int
    column: int

    def fault(self, message: str, hint: str = "") -> Fault:
        """
        Return a fault that stands here.
        """
        return Fault(self.file, self.line, self.column, message, hint)


@dataclass(slots=True)
class Source:
    """
    What one file says: its value, where each key and each value stands, and what is wrong with it already.

    `whole` tells that the text could be read to its end.
    """

    file: str
    value: dict[str, Any] = field(default_factory=dict)
    keys: dict[Trail, Spot] = field(default_factory=dict)
    values: dict[Trail, Spot] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    whole: bool = True


class _StopError(Exception):
    """
    The rest of the text cannot be understood.
    """


def read_source(file: str, raw: bytes) -> Source:
    """
    Read one file's bytes. Never raises: what is wrong stands in the result.
    """
    source = Source(file)
    text = _decoded(source, raw)
    if text is not None:
        try:
            _document(_Reader(source, yaml.parse(text, Loader=yaml.CSafeLoader)))
        except yaml.MarkedYAMLError as error:
            source.faults.append(_syntax(file, text, error))
            source.whole = False
        except yaml.YAMLError:
            hint = "save it as plain text"
            source.faults.append(Fault(file, 0, 0, "the file holds characters that YAML forbids", hint))
            source.whole = False
        except _StopError:
            source.whole = False
    else:
        source.whole = False
    return source


def _decoded(source: Source, raw: bytes) -> str | None:
    if len(raw) > FILE_BYTES_MAX:
        hint = "split it: a folder of YAML files is read as one"
        source.faults.append(Fault(source.file, 0, 0, "the file is larger than 1 MiB", hint))
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        source.faults.append(Fault(source.file, line, column, "the file is not UTF-8", "save it as UTF-8"))
        return None
    return text


def _syntax(file: str, text: str, error: yaml.MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.splitlines()
    here = lines[line][column : column + 1] if line < len(lines) else ""
    problem = str(error.problem or "it cannot be read")
    if here == "\t":
        return Fault(file, line + 1, column + 1, "a tab cannot indent YAML", "indent with spaces")
    hint = "check the indentation and the quotes here and in the line above"
    if here in {"@", "`", "%"}:
        hint = f"text that begins with {here} stands in quotes"
    elif "mapping values" in problem:
        hint = "text with a colon and a space stands in quotes; otherwise check the indentation"
    return Fault(file, line + 1, column + 1, f"this is not YAML: {problem}", hint)


class _Reader:
    """
    Builds values out of a parser's events and notes where each stands.
    """

    def __init__(self, source: Source, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self.source = source

    def next(self) -> yaml.Event:
        return next(self._events)

    def spot(self, event: yaml.Event) -> Spot:
        mark = event.start_mark
        return Spot(self.source.file, mark.line + 1, mark.column + 1) if mark else Spot(self.source.file, 0, 0)

    def fault(self, event: yaml.Event, message: str, hint: str = "") -> None:
        self.source.faults.append(self.spot(event).fault(message, hint))

    def value(self, event: yaml.Event, trail: Trail) -> Any:
        """
        Return the value that begins with this event.
        """
        self.source.values[trail] = self.spot(event)
        if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            self.fault(event, "an alias is not read here", "write the value out")
            return None
        if event.anchor is not None:
            self.fault(event, "an anchor is not read here", f"remove `&{event.anchor[:40]}`")
        if event.tag is not None:
            self.fault(event, "a tag is not read here", "remove the word that begins with `!`")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if len(trail) >= DEPTH_MAX:
            self.fault(event, f"this is nested more than {DEPTH_MAX} deep", "no setting is so deep")
            raise _StopError
        return self._list(trail) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(trail)

    def _list(self, trail: Trail) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            items.append(self.value(event, (*trail, len(items))))
        return items

    def _mapping(self, trail: Trail) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            key = self._key(event)
            at = (*trail, key)
            if key in members:
                first = self.source.keys[at].line
                self.fault(event, f"`{key[:60]}` stands here twice", f"it stands in line {first} already; keep one")
                self.value(self.next(), (*trail, key, "again"))
                continue
            self.source.keys[at] = self.spot(event)
            after = self.next()
            members[key] = self.value(after, at)
            if isinstance(after, yaml.ScalarEvent) and _is_bare(after) and not after.value:
                # Nothing was written, and the parser's place for it is that of whatever follows.
                self.source.values[at] = self.source.keys[at]
        return members

    def _key(self, event: yaml.Event) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self.fault(event, "a key is one word", "a key that begins with `{`, `[` or `*` stands in quotes")
            raise _StopError
        key = str(event.value)
        if event.anchor is not None or event.tag is not None:
            self.fault(event, "an anchor or a tag is not read here", "write the key alone")
        if _is_bare(event) and key == "<<":
            self.fault(event, "a merge key is not read here", "write the members out")
        elif _is_bare(event) and _TRAP.fullmatch(key):
            self.fault(event, f"some readers of YAML take the key `{key}` for a boolean", f'put it in quotes: "{key}"')
        elif _is_bare(event) and _NULL.fullmatch(key):
            self.fault(event, "this key is read as nothing", "write a word; `null` as a word stands in quotes")
        return key

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        text = str(event.value)
        if not _is_bare(event):
            return text
        if text in {"true", "false"}:
            return text == "true"
        if _NULL.fullmatch(text):
            return None
        if _TRAP.fullmatch(text):
            plain = "true" if text.lower() in {"yes", "on", "true"} else "false"
            self.fault(
                event, f"some readers of YAML take `{text}` for a boolean", f'write `{plain}`, or "{text}" in quotes'
            )
            return text
        if _WHOLE.fullmatch(text) and len(text) <= DIGITS_MAX:
            return int(text)
        if _DECIMAL.fullmatch(text) and len(text) <= DIGITS_MAX:
            return Decimal(text)
        if _ODD_NUMBER.fullmatch(text):
            hint = f'write plain digits, or "{text[:40]}" in quotes if it is text'
            self.fault(event, f"readers of YAML disagree about the number `{text[:40]}`", hint)
        return text


def _is_bare(event: yaml.ScalarEvent) -> bool:
    return event.style in {None, ""}


def _document(reader: _Reader) -> None:
    source = reader.source
    reader.next()  # the stream begins
    event = reader.next()
    if isinstance(event, yaml.StreamEndEvent):
        source.faults.append(Fault(source.file, 0, 0, "the file is empty", "`breakwater schema` says what it may hold"))
        return
    event = reader.next()  # past the document's own start
    value = reader.value(event, ())
    if isinstance(value, dict):
        source.value = value
    elif value is None and not reader.source.faults:
        source.faults.append(Fault(source.file, 0, 0, "the file is empty", "`breakwater schema` says what it may hold"))
    elif not reader.source.faults:
        reader.fault(event, "the configuration is a mapping", "begin with `apis:`")
    reader.next()  # the document ends
    event = reader.next()
    if not isinstance(event, yaml.StreamEndEvent):
        reader.fault(event, "a second document begins here", "remove the line `---`, or use two files")


def merged(sources: list[Source], by_name: Collection[str]) -> Source:
    """
    Return the files as one: sections in `by_name` are joined name by name, every other key stands in one file only.
    """
    if len(sources) == 1:
        return sources[0]
    whole = Source(sources[0].file if sources else "")
    for source in sources:
        whole.faults += source.faults
        whole.whole &= source.whole
        for key, value in source.value.items():
            present = whole.value.get(key)
            if key in by_name and isinstance(value, dict) and isinstance(present, dict):
                _take(whole, source, value, present, (key,))
            else:
                _take(whole, source, {key: value}, whole.value, ())
    return whole


def _take(whole: Source, source: Source, members: dict[str, Any], into: dict[str, Any], trail: Trail) -> None:
    depth, taken = len(trail), set[str]()
    for key, value in members.items():
        if key in into:
            at = (*trail, key)
            first = whole.keys[at]
            hint = f"it stands in {first.file}:{first.line} already; keep one"
            whole.faults.append(source.keys[at].fault(f"`{key[:60]}` stands in two files", hint))
            continue
        into[key] = value
        taken.add(key)

    def is_taken(spot: Trail) -> bool:
        return len(spot) > depth and spot[:depth] == trail and spot[depth] in taken

    # One pass for all of them: a file may name thousands of agents.
    whole.keys |= {spot: place for spot, place in source.keys.items() if is_taken(spot)}
    whole.values |= {spot: place for spot, place in source.values.items() if is_taken(spot)}
    if trail:
        whole.keys.setdefault(trail, source.keys[trail])
        whole.values.setdefault(trail, source.values[trail])
