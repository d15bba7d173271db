"""How a test says that something is refused: with which reason, and in words that do not repeat the input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from breakers.verdict import Reason
from proxy.errors import Refused

# A detail is a sentence or two; longer ones would be quoting.
_DETAIL_MAX = 300


@contextmanager
def refused(reason: Reason) -> Iterator[None]:
    """
    Expect a refusal with this reason, whose detail is short and printable.
    """
    with pytest.raises(Refused) as caught:
        yield
    assert caught.value.reason is reason, caught.value
    assert len(caught.value.detail) <= _DETAIL_MAX
    assert caught.value.detail.isascii()
    assert caught.value.detail.isprintable()
