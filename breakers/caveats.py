"""
What a token was narrowed to: each caveat is one thing that must hold, and all of them must.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caveat:
    """
    One caveat as it stands in a token, `key=value`; `id` names the token as it was narrowed by this one.
    """

    key: str
    value: str
    id: str = ""
