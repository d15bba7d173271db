"""
Request bytes by class of the catalogue, each with what must become of it: the regression corpus,
and the mutator's seed.

`FRAMING` (A) is about where a request ends, `CONFUSION` (B) about what it means, `CREDENTIALS` (C) about whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.wire.case import Case
from tests.wire.confusion import B as CONFUSION
from tests.wire.credentials import C as CREDENTIALS
from tests.wire.framing import A as FRAMING

CLASSES: Mapping[str, tuple[Case, ...]] = {**FRAMING, **CONFUSION, **CREDENTIALS}
