"""
Three verdicts on one result: did it take effect, is the upstream well, may it be sent again. Never one from another.

"Did it fail?" is three questions. A declined card is a healthy upstream that did nothing; a 502 is an unwell upstream
that may have done everything; a 404 is neither a failure nor a success of the upstream. So each status has a row, read
from the top, and what no row names is UNKNOWN: a write is called not applied only where the status says so.

A dialect may only make a row stricter, or say how its vendor spells what a status alone does not: a rate limit in a
403, a semantic decline, the same key still in flight. Its reading of a body that did not arrive whole is not trusted.

| a write's result | effect | health | retry |
|---|---|---|---|
| nothing was sent | NOT_APPLIED | FAIL_LOCAL (held back by us: IGNORE) | SAFE (held back by us: NEVER) |
| sent, no answer | UNKNOWN | FAIL | SAME_KEY_ONLY |
| 2xx | APPLIED | OK (not whole: FAIL) | NEVER |
| 301 307 308 | NOT_APPLIED | IGNORE | NEVER |
| any other 3xx | UNKNOWN | IGNORE | NEVER |
| 400 401 403 404 405 409 410 412 413 415 422 | NOT_APPLIED | IGNORE | NEVER |
| 409, the same key in flight | UNKNOWN | IGNORE | SAME_KEY_ONLY |
| 402 and other declines | NOT_APPLIED | OK | NEVER |
| 408 | UNKNOWN | FAIL | SAME_KEY_ONLY |
| 429 and other throttling | NOT_APPLIED | THROTTLE | SAFE (after the stated time) |
| any other 4xx | UNKNOWN | IGNORE | NEVER |
| 501 505 | NOT_APPLIED | IGNORE | NEVER |
| any other 5xx | UNKNOWN | FAIL | SAME_KEY_ONLY |

SAME_KEY_ONLY is NEVER where the vendor honours no key. A read changes nothing: its effect is always NOT_APPLIED, and
where a write would ask for its key a read may simply be sent again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from breakers.call import Applied, Fault, Health, Retry, Sent
from config.catalog import Effect
from config.dialect import Dialect

Judged = tuple[Applied, Health, Retry]

_APPLIED: Judged = (Applied.APPLIED, Health.OK, Retry.NEVER)
_READ: Judged = (Applied.NOT_APPLIED, Health.OK, Retry.NEVER)
_REFUSED: Judged = (Applied.NOT_APPLIED, Health.IGNORE, Retry.NEVER)
_DECLINED: Judged = (Applied.NOT_APPLIED, Health.OK, Retry.NEVER)
_THROTTLED: Judged = (Applied.NOT_APPLIED, Health.THROTTLE, Retry.SAFE)
_UNCERTAIN: Judged = (Applied.UNKNOWN, Health.IGNORE, Retry.NEVER)
_IN_FLIGHT: Judged = (Applied.UNKNOWN, Health.IGNORE, Retry.SAME_KEY_ONLY)
_DOUBTFUL: Judged = (Applied.UNKNOWN, Health.FAIL, Retry.SAME_KEY_ONLY)

AT_THE_DOOR = frozenset({401, 403, 407, 408, 409, 425, 429})
"""
What an upstream says before it looks at what is asked, or that it may soon say otherwise: who may (401, 403, 407),
whether it came in time (408, 425), what else is going on (409), how often (429). It tells nothing of the request.
"""

# Exact statuses first, then their class; a status outside every class is as doubtful as no answer at all.
_BY_STATUS: Mapping[int, Judged] = MappingProxyType(
    dict.fromkeys((301, 307, 308), _REFUSED)
    | dict.fromkeys((400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 422), _REFUSED)
    | {402: _DECLINED, 408: _DOUBTFUL, 429: _THROTTLED}
    | dict.fromkeys((501, 505), _REFUSED)
)
_BY_CLASS: Mapping[int, Judged] = MappingProxyType({2: _APPLIED, 3: _UNCERTAIN, 4: _UNCERTAIN, 5: _DOUBTFUL})

HELD_BACK = frozenset({Fault.STOPPED, Fault.LATE, Fault.LOST, Fault.UNASKED})
"""
Stopped by an operator, too long after it was permitted, taken over by another, or the shared state could not be asked:
ours, none of the upstream's.
"""


def judge_result(
    effect: Effect,
    *,
    sent: Sent,
    status: int | None,
    fault: Fault | None,
    headers: Mapping[str, str],
    body: bytes,
    dialect: Dialect,
    honours_key: bool,
) -> Judged:
    """
    Return the three verdicts on one result; `headers` by lower-case name, `body` as far as it came.

    A status proves that something was sent, whatever `sent` says.
    """
    if status is not None and fault is None and 200 <= status < 300:
        return _READ if effect is Effect.READ else _APPLIED
    if status is not None:
        judged = _answered(status, fault, headers, body if fault is None else b"", dialect)
    elif sent is Sent.NO:
        judged = _unsent(fault)
    elif fault is Fault.STOPPED:
        judged = _UNCERTAIN
    else:
        judged = _DOUBTFUL
    if effect is Effect.READ:
        return _of_read(judged, status, fault)
    applied, health, retry = judged
    return applied, health, Retry.NEVER if retry is Retry.SAME_KEY_ONLY and not honours_key else retry


def _unsent(fault: Fault | None) -> Judged:
    if fault in HELD_BACK:
        return Applied.NOT_APPLIED, Health.IGNORE, Retry.NEVER
    return Applied.NOT_APPLIED, Health.FAIL_LOCAL, Retry.SAFE


def _answered(status: int, fault: Fault | None, headers: Mapping[str, str], body: bytes, dialect: Dialect) -> Judged:
    row = _BY_STATUS.get(status) or _BY_CLASS.get(status // 100, _DOUBTFUL)
    # Only a refusal is read further: no wording turns a 500 into "not applied".
    if row[0] is Applied.NOT_APPLIED:
        row = _reread(row, status, headers, body, dialect)
    applied, health, retry = row
    return row if fault is None or health is Health.THROTTLE else (applied, Health.FAIL, retry)


def _of_read(judged: Judged, status: int | None, fault: Fault | None) -> Judged:
    _, health, retry = judged
    if fault is None and status == 304:
        return Applied.NOT_APPLIED, Health.OK, Retry.NEVER
    if fault is None and status == 409:
        # A read carries no key that could be in flight.
        return Applied.NOT_APPLIED, health, Retry.NEVER
    again = retry is Retry.SAME_KEY_ONLY or (fault is not None and fault is not Fault.STOPPED)
    return Applied.NOT_APPLIED, health, Retry.SAFE if again else retry


def _reread(row: Judged, status: int, headers: Mapping[str, str], body: bytes, dialect: Dialect) -> Judged:
    """
    Read a refusal as its vendor words it; a body that does not parse may be the one that says "in flight".
    """
    document = _parsed(body)
    unread = document is None and any(sign.status == status for sign in dialect.key_in_use)
    if unread or dialect.is_key_in_use(status, headers, body, document):
        return _IN_FLIGHT
    if dialect.is_throttled(status, headers, body, document):
        return _THROTTLED
    return _DECLINED if status in dialect.declined else row


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
