"""Form bodies (`application/x-www-form-urlencoded`): strict pairs in, one spelling out."""

from __future__ import annotations

from breakers.verdict import Reason
from proxy.canonical.pairs import Pairs, encode_pairs, parse_pairs
from proxy.errors import Refused


def parse_form(data: bytes) -> Pairs:
    """
    Parse a form body into decoded pairs, in order, or refuse it.
    """
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise Refused(Reason.BODY_MALFORMED, "The form has a character that must be percent-encoded.") from None
    return parse_pairs(text, Reason.BODY_MALFORMED, equals_required=True)


def encode_form(pairs: Pairs) -> bytes:
    """
    Return the one spelling of a form.
    """
    return encode_pairs(pairs).encode("ascii")
