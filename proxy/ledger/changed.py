"""
What the record says of a change: the objects before and after, the patch between them, its guarded inverse.

The images of a write are one JSON document, a member for each type of object that it touches; null is "no such object",
and what is not known is not there. An object stands in it as the upstream spelled it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from hashlib import sha256

import orjson

from breakers.call import Call
from breakers.noun import noun
from breakers.verdict import Forward, Suggest
from config.catalog import Before, OperationSpec
from proxy.compare import IMAGE_BYTES_MAX, Act, Note
from proxy.images import spell_parsed
from proxy.ledger.about import call_draft, object_named
from proxy.ledger.blobs import Digest, Kept, Payload
from proxy.ledger.drafts import Draft, Part, present, stamp
from proxy.ledger.keyring import KeyRing
from proxy.ledger.views import OwedChange


def join_images(images: Mapping[str, bytes | None]) -> bytes:
    """
    Return the document of the images that are known, by type.
    """
    members = [orjson.dumps(kind) + b":" + (b"null" if data is None else data) for kind, data in sorted(images.items())]
    return b"{" + b",".join(members) + b"}"


def before_part(go: Forward | Suggest) -> Part | None:
    """
    Return the payload that says what a write's objects were before it; None where nothing of that is known.
    """
    payload = before_of(go)
    if payload is None:
        return None
    read_at, missing, left_out = [], 0, 0
    for image in go.facts.images.values():
        if image.at is not None:
            read_at.append(image.at)
        missing += image.missing is not None
        left_out += image.left_out
    more = {"at": stamp(min(read_at, default=go.call.at)), "missing": missing or None, "left_out": left_out or None}
    return Part("before", payload, present(more))


def before_of(go: Forward | Suggest) -> Payload | None:
    """
    Return the document of what is known of a write's objects before it; None where that is nothing.
    """
    known = {touch.object.type: image.data for touch, image in go.facts.images.items() if image.missing is None}
    known.update(dict.fromkeys(made_by(go.call.operation.spec)))
    return bounded(join_images(known)) if known else None


def made_by(spec: OperationSpec) -> tuple[str, ...]:
    """
    Return the type of object that a write makes: the one that it is about, where there is nothing to read before it.
    """
    if not spec.touches or spec.touches[0].before is not Before.NONE:
        return ()
    return (spec.touches[0].object.type,)


def bounded(document: bytes) -> Payload:
    """
    Return a document as a payload, by its digest where it is too large.
    """
    if len(document) <= IMAGE_BYTES_MAX:
        return Kept(document)
    return Digest(len(document), sha256(document).digest())


@noun
class Changed:
    """
    What became of the objects that a write touched, as far as it is known.

    `objects` are (type, id, act), once for each id that an object has; `after` is the document of the images after it,
    and the rest is None where the two sides could not be compared: `note` says why.
    """

    objects: tuple[tuple[str, str, str], ...]
    after: bytes | None = None
    patch: bytes | None = None
    inverse: bytes | None = None
    paths: Mapping[str, list[str]] = field(default_factory=dict)
    left_out: int = 0
    note: str | None = None


def change(
    call: Call, intent: int, outcome: int | str, changed: Changed, ring: KeyRing, origin: str | None = None
) -> Draft:
    """
    Return the record of what a write changed: ids as hashes and counts in the entry, everything else in payloads.

    `outcome` is the index of its outcome, or the place of the record that resolved it out of doubt; `origin` names the
    former log where its intent stands there.
    """
    res = [{**object_named(call.api, kind, one, ring), "act": act} for kind, one, act in changed.objects]
    counts = {name: len(paths) for name, paths in changed.paths.items()}
    fields = {
        "intent": intent,
        **_ended_at(outcome),
        "of": origin,
        "prov": call.api,
        "op": call.operation.spec.name,
        "res": res or None,
        "acts": sorted({act for _, _, act in changed.objects}) or None,
        "n": counts or None,
        "sens": changed.left_out or None,
        "note": changed.note,
    }
    documents = {
        "after": changed.after,
        "patch": changed.patch,
        "inv": changed.inverse,
        "paths": spell_parsed(dict(changed.paths)) if changed.paths else None,
    }
    parts = tuple([Part(name, bounded(data)) for name, data in documents.items() if data is not None])
    return call_draft("change.recorded", call, fields, parts)


def _ended_at(outcome: int | str) -> dict[str, object]:
    return {"resolved": outcome} if isinstance(outcome, str) else {"outcome": outcome}


def interrupted(owed: OwedChange, former: str | None = None) -> Draft:
    """
    Return the record that says that nobody looked at what a write had changed, because the process stopped first.

    `former` is the log where it was owed, where that is not this one. What the objects have become since cannot be told
    from what the write did.
    """
    intent = owed.entry
    fields = {
        "intent": owed.index,
        **_ended_at(owed.outcome),
        "of": owed.origin or former,
        "prov": intent["prov"],
        "op": intent["op"],
        "note": str(Note.INTERRUPTED),
    }
    res = [{**one, "act": str(Act.NONE)} for one in intent.get("res", ())]
    actor, trace = intent.get("act"), intent.get("tr")
    return Draft(
        "change.recorded", intent["task"], present({**fields, "res": res or None}), intent["call"], actor, trace
    )
