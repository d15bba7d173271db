"""What a record says about its call: who made it, in which trace, and which objects it names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from breakers.call import Call, Caller, Request
from breakers.task import Task
from config.catalog import Effect, OperationSpec
from proxy.ledger.drafts import Draft, Part
from proxy.ledger.keyring import KeyRing

LABEL = re.compile(r"[A-Za-z0-9._:/@+-]{1,80}")
"""What a task's label looks like: a version, a link to the business; nothing that could be a sentence."""

_TRACE = re.compile(r"(?:[0-9a-f]{2}-)?([0-9a-f]{32})(?:-|$)")


def actor(caller: Caller) -> dict[str, object]:
    """
    Return the agent of a call, the id of the key or token that it showed, and how often the token was narrowed.
    """
    # The first of a token's ids is its own, each other one a stage of its narrowing.
    narrowed = {"cav_n": len(caller.tokens) - 1} if len(caller.tokens) > 1 else {}
    return {"agent": caller.agent, "tok": caller.key_id, **narrowed}


def labels(task: Task | None) -> dict[str, object] | None:
    """
    Return with which labels the calls of a task are recorded, None where it has none.
    """
    if task is None:
        return None
    said = {"model": task.model, "prompt": task.prompt, "rec": task.record}
    return {name: text for name, text in said.items() if text is not None and LABEL.fullmatch(text)} or None


def _trace_id(trace: str | None) -> str | None:
    found = _TRACE.match(trace) if trace else None
    return found.group(1) if found else None


def call_draft(kind: str, call: Call, fields: Mapping[str, object], parts: tuple[Part, ...]) -> Draft:
    """
    Return a record of a call with these fields; those without a value are left out.
    """
    # A read's outcome says outright that it has no intent.
    said = {name: value for name, value in fields.items() if value is not None or name == "intent"}
    caller = call.caller
    if caller.opened is not None and (under := labels(caller.opened)) is not None:
        said["lab"] = under
    return Draft(kind, caller.task, said, call.id, actor(caller), _trace_id(call.trace), parts)


def operation_fields(api: str, spec: OperationSpec, request: Request, ring: KeyRing) -> dict[str, object]:
    """
    Return what an entry says of the operation that a request was recognised as.
    """
    return {
        "prov": api,
        "op": spec.name,
        "m": request.method,
        "base": request.base,
        "path_t": spec.path,
        "path_h": ring.redact("path", "/" + "/".join(request.segments)),
        "rw": "r" if spec.effect is Effect.READ else "w",
    }


def objects_named(api: str, named: Iterable[tuple[str, str]], ring: KeyRing) -> list[dict[str, object]]:
    """
    Return how an entry names objects, given as (type, id): the type, and a keyed hash of the id.
    """
    return [object_named(api, kind, one, ring) for kind, one in named]


def object_named(api: str, kind: str, one: str, ring: KeyRing) -> dict[str, object]:
    """
    Return how an entry names one object.
    """
    return {"type": kind, "id_h": ring.redact(_class(api, kind), one)}


def object_hashes(api: str, kind: str, one: str, ring: KeyRing) -> list[str]:
    """
    Return what may stand for an object's id in entries: under which key, their time says.
    """
    return [ring.redact(_class(api, kind), one, version) for version in ring.versions]


def _class(api: str, kind: str) -> str:
    return f"object:{api}:{kind}"
