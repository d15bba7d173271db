"""For how long keys are good where nobody can be asked whether they were revoked."""

from __future__ import annotations

from pydantic import Field

from config.written import Seconds, Strict


class KeySettings(Strict):
    """
    Agents' keys and operators' tokens, which every process of a deployment knows.
    """

    away_s: Seconds = Field(default=60.0, alias="away")
    """For how long a process that hears of no other lets agents' keys read, and personal tokens do more than look."""
