"""
The sandbox's own door for a test in another process: below `/_sandbox/`, without a key, never written down.

`POST faults` adds one (`{"act": {"status": 500}, "applied": true, "times": 2, ...}`), `DELETE faults` lifts all,
`POST knobs` sets what can be set while it runs (`{"search_lag_s": 180}`; each sandbox says what), `GET effects`,
`GET requests`, `GET credentials` show what was done and seen, `POST contains` looks for a secret in every byte that
arrived.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.faults import Act, Drip, Fault, HangUp, Malformed, Status
from loadtest.upstreams.wiretap import Seen

if TYPE_CHECKING:
    from loadtest.upstreams.sandbox import Sandbox

PREFIX = "/_sandbox/"


def handle(sandbox: Sandbox, seen: Seen) -> Answer:
    """
    Do one command and answer it.
    """
    try:
        return _do(sandbox, seen)
    except (ValueError, TypeError, KeyError) as error:
        return Answer.of(400, {"error": repr(error)})


def _do(sandbox: Sandbox, seen: Seen) -> Answer:
    match seen.method, seen.path.removeprefix(PREFIX):
        case "POST", "faults":
            sandbox.faults.add(_fault(json.loads(seen.body)))
            return Answer.of(200, {"faults": repr(sandbox.faults)})
        case "DELETE", "faults":
            sandbox.faults.clear()
            return Answer.of(200, {"faults": repr(sandbox.faults)})
        case "POST", "knobs":
            sandbox.turn({str(name): float(value) for name, value in json.loads(seen.body).items()})
            return Answer.of(200, {"knobs": {name: getattr(sandbox, name) for name in sandbox.knobs}})
        case "GET", "effects":
            return Answer.of(200, sandbox.counted())
        case "GET", "requests":
            return Answer.of(200, {"requests": [_shown(each) for each in sandbox.wiretap.requests]})
        case "GET", "credentials":
            return Answer.of(200, {"credentials": dict(sandbox.wiretap.credentials)})
        case "POST", "contains":
            return Answer.of(200, {"contains": sandbox.wiretap.contains(json.loads(seen.body)["secret"])})
        case _:
            return Answer.of(404, {"error": f"no such command: {seen.method} {seen.path}"})


def _fault(asked: dict[str, Any]) -> Fault:
    act = asked.pop("act", None)
    return Fault(act=None if act is None else _act(act), **asked)


def _act(asked: dict[str, Any]) -> Act:
    match asked:
        case {"status": int()}:
            return Status(**asked)
        case {"hang_up": bool(reset)}:
            return HangUp(reset=reset)
        case {"drip": int(chunk), "pause_s": float(pause_s)}:
            return Drip(chunk, pause_s, head=bool(asked.get("head")))
        case {"malformed": str(manner)}:
            return Malformed(manner)
        case _:
            raise ValueError(f"no such act: {asked}")


def _shown(seen: Seen) -> dict[str, object]:
    return {
        "method": seen.method,
        "target": seen.target,
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in seen.headers],
        "body": seen.body.decode("utf-8", "backslashreplace"),
    }
