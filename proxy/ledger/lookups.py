"""What is on record of look-ups: what each showed, under the call that it was made for, and who used it again."""

from __future__ import annotations

from dataclasses import replace

from breakers.call import Call, Outcome
from proxy.ledger.about import call_draft
from proxy.ledger.blobs import Kept
from proxy.ledger.document import spell
from proxy.ledger.drafts import Part
from proxy.ledger.pen import Pen
from proxy.ledger.records import subject_read
from proxy.passes import Look

KEPT_MAX = 64 * 1024
"""Of what a look-up showed; what is larger is on record by its length and digest."""


class Lookups:
    """
    The record's verbs for look-ups.
    """

    def __init__(self, pen: Pen) -> None:
        self._pen = pen

    def __repr__(self) -> str:
        return f"Lookups({self._pen!r})"

    def made(self, call: Call, name: str, look: Look, outcome: Outcome, body: bytes) -> None:
        """
        Record a look-up of this name: what was asked, and what it showed.

        It is durable before whatever follows from it, because it is queued before.
        """
        draft = subject_read(call, look.spec.name, outcome, body, KEPT_MAX, look.spec.never_store)
        asked = Part("req", Kept(spell({"v": 1, "method": look.wire.method, "target": look.wire.target})))
        self._pen.note(replace(draft, fields={**draft.fields, "look": name}, parts=(asked, *draft.parts)))

    def used(self, call: Call, name: str, operation: str, of: str) -> None:
        """
        Record that a look-up of this name was answered by one that is on record under another call.
        """
        self._pen.note(call_draft("call.look", call, {"prov": call.api, "op": operation, "look": name, "of": of}, ()))
