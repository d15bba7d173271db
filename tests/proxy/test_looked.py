"""What an answer to a subject read says of what a write can move."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.look import looked, stored_image
from proxy.sight import Sight
from tests.breakers.till import INVOICE
from tests.breakers.world import AT, CATALOG

SECRETIVE = replace(CATALOG.operations["charges.retrieve"], never_store=("secret",))


@pytest.mark.parametrize(
    ("body", "bound"),
    [
        (b'{"currency": "usd", "due": 500, "status": "open"}', 500),
        (b'{"currency": "usd", "due": 500, "status": "draft"}', None),
        (b'{"currency": "usd", "due": 500, "status": null}', None),
        (b'{"currency": "usd", "due": 500}', None),
        (b'{"currency": "usd", "due": true, "status": "open"}', None),
    ],
)
def test_where(body: bytes, bound: int | None) -> None:
    """A subject bounds a write only where it shows what its catalogue asks of it."""
    shown = looked(INVOICE, Sight(status=200, body=body, at=AT), "Till")
    assert (shown.bound_minor, shown.failed is not None) == (bound, b"open" not in body)


@pytest.mark.parametrize("secret", [b"", b'"secret": 1, '])
@pytest.mark.parametrize("shown", [b'"\\ud800"', b"1e999"])
def test_no_image(shown: bytes, secret: bytes) -> None:
    """What nobody can read is no image, whether or not something is left out of it."""
    image = stored_image(b'{%b"a": %b}' % (secret, shown), AT, SECRETIVE)
    assert (image.data, image.missing) == (None, "what was shown is not JSON")
