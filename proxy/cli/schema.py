"""`breakwater schema`: the configuration's JSON Schema, for editors and for review."""

from __future__ import annotations

import argparse
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

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
    """

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, float):
            return write_duration(dft)
        return str(dft) if isinstance(dft, Address) else super().encode_default(dft)


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
