"""One request to a sandbox without an SDK."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from loadtest.upstreams.stripe import StripeSandbox
from tests.canary.forms import secret

SECRET = secret("sandbox")

# A loopback answer takes milliseconds; a machine that is doing everything else at once may need many more.
WAIT_S = 30


def post(upstream: StripeSandbox, path: str, body: str, key: str | None, method: str = "POST") -> tuple[int, Any, Any]:
    """
    Send one request without an SDK.
    """
    where = urlsplit(upstream.url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=WAIT_S)
    headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/x-www-form-urlencoded"}
    try:
        connection.request(method, path, body, headers | ({} if key is None else {"Idempotency-Key": key}))
        answer = connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())
    finally:
        connection.close()
