"""A run as JSON and back: what another run is compared with, whoever made it and wherever it lay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from loadtest.results import Run

FORMAT = "breakwater-load/1"
"""The first member of the document: another one is another document, not an old one of these."""

_RUN = TypeAdapter(Run)


class UnreadableRunError(ValueError):
    """
    A document is not one of a run, in a sentence that says where.
    """


def to_json(run: Run) -> dict[str, Any]:
    """
    Return a run as values that JSON can spell.
    """
    return {"format": FORMAT, **_RUN.dump_python(run, mode="json")}


def read(document: object) -> Run:
    """
    Return the run that a document tells of, or raise `UnreadableRunError`.
    """
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise UnreadableRunError(f'it is no result of a load test: it does not begin with "format": "{FORMAT}"')
    try:
        return _RUN.validate_python({name: value for name, value in document.items() if name != "format"})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UnreadableRunError(f"{where}: {first['msg']}") from None
