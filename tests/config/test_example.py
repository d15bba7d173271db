from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from config.load import Configuration, Document, load, plain
from config.policy import AgentCard
from config.settings import ApiAccount, Settings
from config.shape import written_names
from proxy.cli.schema import document_schema

EXAMPLE = Path(__file__).parents[2] / "config" / "example.yaml"


@pytest.fixture(scope="module")
def example() -> Configuration:
    return load(EXAMPLE)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from _models(field.annotation)
    for part in get_args(annotation):
        yield from _models(part)


def test_every_field() -> None:
    """Every key of every model stands in the example, set or in a comment that shows it."""
    text = EXAMPLE.read_text(encoding="utf-8")
    models = set(_models(Document))
    assert len(models) >= 12
    keys = {name for model in models for name in written_names(model)}
    assert {key for key in keys if not re.search(rf"^\s*(?:#\s+)?{key}:", text, re.MULTILINE)} == set()


def test_every_reason() -> None:
    """Every setting of the process has a comment of its own or of its group above it."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    bare = []
    commented = False
    for line in lines:
        if not line.strip():
            commented = False
        elif line.lstrip().startswith("#"):
            commented = True
        elif re.match(r"\S", line):
            commented = commented or line.rstrip().endswith(":")
            if not commented:
                bare.append(line)
    assert bare == []


def test_settings_are_defaults(example: Configuration) -> None:
    """The settings that the example writes are those that a file without them has."""
    written = plain(example.settings.model_copy(update={"state": Path("breakwater-state")}))
    assert written == plain(Settings())


def test_card_is_defaults(example: Configuration) -> None:
    """The example's API account and card write every optional member at its default."""
    (account,), (card,) = example.apis.values(), example.agents.values()
    assert account.upstream == ApiAccount.model_fields["upstream"].get_default(call_default_factory=True)
    for name in ("environment", "tz", "tier", "headers"):
        assert getattr(card, name) == AgentCard.model_fields[name].get_default(call_default_factory=True)


def test_schema_describes_every_key() -> None:
    """Every property of the JSON Schema has a description or refers to a section that has one."""
    schema: Any = document_schema()
    sections = [schema, *schema["$defs"].values()]
    bare = [
        (section["title"], name)
        for section in sections
        for name, written in section.get("properties", {}).items()
        if "description" not in written
    ]
    assert bare == []
    assert all(section["additionalProperties"] is False for section in sections if "properties" in section)
