"""Broken YAML: what the reader refuses before anything is held against a model. Places count from 1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.source import DEPTH_MAX, FILE_BYTES_MAX, read_source
from tests.config.shop import GOOD, faults

# name: bytes, (line, column), part of the message, part of the hint
BROKEN: dict[str, tuple[bytes, tuple[int, int], str, str]] = {
    "empty": (b"", (0, 0), "the file is empty", "breakwater schema"),
    "only comments": (b"# nothing\n\n", (0, 0), "the file is empty", "breakwater schema"),
    "only a marker": (b"---\n", (0, 0), "the file is empty", "breakwater schema"),
    "a list": (b"- apis\n", (1, 1), "the configuration is a mapping", "begin with `apis:`"),
    "a word": (b"apis\n", (1, 1), "the configuration is a mapping", "begin with `apis:`"),
    "a tab": (b"apis:\n\tshop: {}\n", (2, 1), "a tab cannot indent YAML", "indent with spaces"),
    "a tab after spaces": (b"apis:\n  shop:\n  \tx: 1\n", (3, 3), "a tab cannot indent YAML", "indent with spaces"),
    "unclosed list": (b"apis: [a, b\nagents: {}\n", (2, 7), "this is not YAML", "indentation and the quotes"),
    "unclosed quote": (b'state: "x\n', (2, 1), "this is not YAML", "quotes"),
    "two colons": (b"state: a: b\n", (1, 9), "this is not YAML: mapping values", "colon and a space stands in quotes"),
    "wrong indentation": (b"ledger:\n  reads: durable\n batch: 1\n", (3, 2), "this is not YAML", "indentation"),
    "at sign": (b"state: @here\n", (1, 8), "this is not YAML", "begins with @ stands in quotes"),
    "backquote": (b"state: `x`\n", (1, 8), "this is not YAML", "begins with ` stands in quotes"),
    "not utf-8": (b"state: x\nstore: \xff\n", (2, 8), "the file is not UTF-8", "save it as UTF-8"),
    "latin-1 after an umlaut": ("state: ä".encode() + b"\xe4\n", (1, 9), "not UTF-8", "UTF-8"),
    "utf-16": ("state: x\n".encode("utf-16"), (1, 1), "not UTF-8", "UTF-8"),
    "control character": (b"state: a\x07b\n", (0, 0), "characters that YAML forbids", "plain text"),
    "too large": (b"#" * (FILE_BYTES_MAX + 1), (0, 0), "larger than 1 MiB", "a folder"),
    "duplicate key": (b"state: x\nstore: memory\nstate: y\n", (3, 1), "`state` stands here twice", "in line 1 already"),
    "duplicate in flow": (b"ledger: {reads: durable, reads: appended}\n", (1, 26), "stands here twice", "line 1"),
    "duplicate in other quotes": (b"state: x\n'state': x\n", (2, 1), "`state` stands here twice", "line 1"),
    "alias": (b"state: &s x\n", (1, 8), "an anchor is not read here", "remove `&s`"),
    "unknown alias": (b"state: *s\n", (1, 8), "an alias is not read here", "write the value out"),
    "merge key": (b"ledger:\n  <<: {reads: durable}\n", (2, 3), "a merge key is not read", "write the members out"),
    "tag": (b"state: !!python/object:os.system x\n", (1, 8), "a tag is not read here", "begins with `!`"),
    "binary tag": (b"state: !!binary eA==\n", (1, 8), "a tag is not read here", "begins with `!`"),
    "list as key": (b"? [a]\n: b\n", (1, 3), "a key is one word", "stands in quotes"),
    "mapping as key": (b"{state}: x\n", (1, 1), "a key is one word", "stands in quotes"),
    "key missing": (b"?\n: x\n", (1, 2), "this key is read as nothing", "write a word"),
    "key null": (b"ledger: {null: x}\n", (1, 10), "this key is read as nothing", "stands in quotes"),
    "key on": (b"agents: {a: {on: x}}\n", (1, 14), "take the key `on` for a boolean", 'put it in quotes: "on"'),
    "key no": (b"doors:\n  no: 127.0.0.1:1\n", (2, 3), "take the key `no` for a boolean", 'put it in quotes: "no"'),
    "value yes": (b"state: yes\n", (1, 8), "take `yes` for a boolean", 'write `true`, or "yes" in quotes'),
    "value Off": (b"state: Off\n", (1, 8), "take `Off` for a boolean", 'write `false`, or "Off" in quotes'),
    "value TRUE": (b"state: TRUE\n", (1, 8), "take `TRUE` for a boolean", "write `true`"),
    "octal": (b"state: 0755\n", (1, 8), "disagree about the number `0755`", '"0755" in quotes'),
    "hexadecimal": (b"state: 0x1F\n", (1, 8), "disagree about the number", "plain digits"),
    "underscores": (b"state: 1_000\n", (1, 8), "disagree about the number", "plain digits"),
    "exponent": (b"state: 1e3\n", (1, 8), "disagree about the number", "plain digits"),
    "plus sign": (b"state: +5\n", (1, 8), "disagree about the number", "plain digits"),
    "bare point": (b"state: .5\n", (1, 8), "disagree about the number", "plain digits"),
    "infinity": (b"state: -.inf\n", (1, 8), "disagree about the number", "plain digits"),
    "not a number": (b"state: .NaN\n", (1, 8), "disagree about the number", "plain digits"),
    "very long number": (b"state: " + b"9" * 5000 + b"\n", (1, 8), "disagree about the number", "plain digits"),
    "two documents": (b"state: x\n---\nstate: y\n", (2, 1), "a second document begins here", "two files"),
    "deep": (b"state: " + b"[" * 5000, (1, 7 + DEPTH_MAX), "nested more than", "no setting is so deep"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_spelling(name: str, tmp_path: Path) -> None:
    """Broken YAML is one fault at its place, with the way to write it."""
    raw, place, message, hint = BROKEN[name]
    path = tmp_path / "breakwater.yaml"
    path.write_bytes(raw)
    spelt = [fault for fault in read_source(str(path), raw).faults if fault in faults(path)]
    assert [(fault.line, fault.column) for fault in spelt] == [place]
    assert message in spelt[0].message
    assert hint in spelt[0].hint
    assert spelt[0].file == str(path)


def test_alias_bomb(tmp_path: Path) -> None:
    """Nine levels of nine aliases are refused at each anchor and alias, and nothing is expanded."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    (tmp_path / "breakwater.yaml").write_text("\n".join(lines))
    messages = [fault.message for fault in faults(tmp_path / "breakwater.yaml")]
    assert messages.count("an alias is not read here") == 8 * 9
    assert messages.count("an anchor is not read here") == 9


def test_byte_order_mark(tmp_path: Path) -> None:
    """A byte order mark before good text changes nothing, and shifts no column."""
    (tmp_path / "good.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert faults(tmp_path / "good.yaml") == ()
    (tmp_path / "bad.yaml").write_bytes(b"\xef\xbb\xbfstaet: x\n")
    (fault,) = faults(tmp_path / "bad.yaml")
    assert (fault.line, fault.column) == (1, 1)


def test_windows_line_ends(tmp_path: Path) -> None:
    """Lines that end in CR LF count as one line each."""
    (tmp_path / "bad.yaml").write_bytes(GOOD.replace("\n", "\r\n").encode() + b"staet: x\r\n")
    (fault,) = faults(tmp_path / "bad.yaml")
    assert (fault.line, fault.column) == (GOOD.count("\n") + 1, 1)


def test_columns_are_characters(tmp_path: Path) -> None:
    """A column counts characters, not bytes."""
    (tmp_path / "bad.yaml").write_text('ledger: {origin: "äöü€😀/b/c", raeds: durable}\n', encoding="utf-8")
    found = [fault for fault in faults(tmp_path / "bad.yaml") if "raeds" in fault.message]
    assert [(fault.line, fault.column) for fault in found] == [(1, 31)]


@given(st.binary(max_size=200) | st.text(alphabet="ab: {}[]\n-&*!?'\"#|>%@`\t~<0.", max_size=120).map(str.encode))
def test_never_raises(raw: bytes) -> None:
    """Whatever the bytes are, the reader returns a value or says where it cannot."""
    source = read_source("x.yaml", raw)
    assert source.whole or source.faults
    assert all(fault.message for fault in source.faults)


scalars = st.integers(-(10**15), 10**15) | st.booleans() | st.none() | st.text(alphabet="ab é:#'\"", max_size=8)
names = st.text(alphabet="abé: '", min_size=1, max_size=4)
members = scalars | st.lists(scalars, max_size=3) | st.dictionaries(names, st.lists(scalars, max_size=2), max_size=2)
documents = st.dictionaries(names, members, min_size=1, max_size=3)


@given(documents)
def test_plain_documents(document: dict[str, object]) -> None:
    """What is written plainly as JSON, which is YAML, reads as the same values, each with a place."""
    source = read_source("x.yaml", json.dumps(document, ensure_ascii=False).encode())
    assert source.faults == []
    assert source.value == document
    assert {(key,) for key in document} <= set(source.keys) & set(source.values)
