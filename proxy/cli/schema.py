"""`breakwater schema`: the configuration's JSON Schema, for editors and for review."""

from __future__ import annotations

import argparse
import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from config.load import Document
from config.written import Address, write_duration
from proxy.cli.say import data
from proxy.cli.usage import add_command

EPILOG = """\
examples:
  breakwater schema > breakwater.schema.json

Then, as the first line of breakwater.yaml, for editors that know it:
  # yaml-language-server: $schema=breakwater.schema.json
"""


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command is used.
    """
    add_command(parser, EPILOG, run)


def run(args: argparse.Namespace) -> int:
    """
    Print the schema; the answer is JSON with and without `--json`.
    """
    del args
    data(document_schema())
    return 0


class _AsWritten(GenerateJsonSchema):
    """
    Spells defaults as a person would: a duration with its unit, an address on one line.

    Describes each setting by the sentence below it. The models do not carry these sentences: reading the source for
    them took each start of every command as long as building all models does.
    """

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        written = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        said = {name: text for part in reversed(model.__mro__) for name, text in _sentences(part).items()}
        for name, setting in model.model_fields.items():
            member = written.get("properties", {}).get(setting.alias or name)
            if member is not None and name in said:
                member.setdefault("description", said[name])
        return written

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, float):
            return write_duration(dft)
        return str(dft) if isinstance(dft, Address) else super().encode_default(dft)


@cache
def _sentences(part: type) -> dict[str, str]:
    """
    Return the sentence below each attribute of a class.
    """
    if not issubclass(part, BaseModel) or part is BaseModel:
        return {}
    (found,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
    return {
        above.target.id: inspect.cleandoc(below.value.value)
        for above, below in pairwise(getattr(found, "body", ()))
        if isinstance(above, ast.AnnAssign) and isinstance(above.target, ast.Name)
        and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }  # fmt: skip


def document_schema() -> dict[str, object]:
    """
    Return the JSON Schema (draft 2020-12) of a whole configuration.
    """
    written = Document.model_json_schema(schema_generator=_AsWritten)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **written,
        "title": "Breakwater's configuration",
    }
