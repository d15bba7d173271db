"""Every reason has its sentence, fit to be read by a person or a model."""

from __future__ import annotations

import re

import pytest

from breakers.verdict import SENTENCES, Reason


def test_all_covered() -> None:
    """Every reason has a sentence, and every sentence a reason."""
    assert set(SENTENCES) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_sentence_reads(reason: Reason) -> None:
    """A sentence is printable, short, closed, and leaves it to the answer to say whether anything was sent."""
    sentence = SENTENCES[reason]
    assert re.fullmatch(r"[A-Z][ -~]{20,220}\.", sentence)
    assert not re.search(r"(was|were|been|is) (not )?(sent|forwarded) to|nothing was sent", sentence, re.IGNORECASE)


@pytest.mark.parametrize("reason", Reason)
def test_reason_spelling(reason: Reason) -> None:
    """A reason is kebab-case."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", reason)
