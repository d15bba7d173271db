"""The `Content-Type` header: an essence and the two parameters that we know, or 415."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from breakers.verdict import Reason
from proxy.errors import Refused

# A token, as RFC 9110 has it.
_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~\-]+"
_ESSENCE = re.compile(rf"{_WORD}/{_WORD}").fullmatch
_PARAMETER = re.compile(rf' *({_WORD})=({_WORD}|"[^"\\]*") *').fullmatch

# RFC 2046, 5.1.1.
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? \-]{0,69}[0-9A-Za-z'()+_,./:=?\-]").fullmatch

_UTF_8 = frozenset({"utf-8", "utf8"})


@dataclass(frozen=True, slots=True)
class MediaType:
    """
    What a body says that it is: a lower-case essence, whether it names UTF-8, the boundary of its parts.
    """

    essence: str
    utf_8: bool = False
    boundary: str | None = None

    @property
    def spelled(self) -> str:
        """
        Return the header's value in its one spelling, without the boundary.
        """
        return f"{self.essence}; charset=utf-8" if self.utf_8 else self.essence


@lru_cache(maxsize=64)
def parse_media_type(value: str) -> MediaType:
    """
    Parse a `Content-Type`, refusing two types, other charsets than UTF-8 and parameters that nobody here understands.
    """
    essence, *raw_parameters = value.split(";")
    essence = essence.strip().lower()
    if not _ESSENCE(essence):
        raise _unsupported("The Content-Type is not one media type.")
    parameters: dict[str, str] = {}
    for raw in raw_parameters:
        found = _PARAMETER(raw)
        if not found or found.group(1).lower() in parameters:
            raise _unsupported("The Content-Type has a malformed or repeated parameter.")
        parameters[found.group(1).lower()] = found.group(2).strip('"')
    charset = parameters.pop("charset", None)
    if charset is not None and charset.lower() not in _UTF_8:
        raise _unsupported("Only bodies in UTF-8 are accepted.")
    boundary = parameters.pop("boundary", None) if essence == "multipart/form-data" else None
    if boundary is not None and not _BOUNDARY(boundary):
        raise _unsupported("The boundary of the multipart body is malformed.")
    if parameters:
        # Dropping it could change what the body means; passing on what we do not understand could too.
        raise _unsupported("The Content-Type has a parameter that is not understood here.")
    return MediaType(essence, utf_8=charset is not None, boundary=boundary)


def _unsupported(detail: str) -> Refused:
    return Refused(Reason.MEDIA_TYPE_UNSUPPORTED, detail)
