"""For how long keys and tokens are good where nobody can be asked whether they were revoked."""

from __future__ import annotations

from pydantic import Field

from config.written import Seconds, Strict


class KeySettings(Strict):
    """
    Agents' keys, task tokens and operators' tokens, which every process of a deployment knows.
    """

    away_s: Seconds = Field(default=86_400.0, alias="away")
    """For how long a process that hears of no other lets agents read, and personal tokens do more than look."""
