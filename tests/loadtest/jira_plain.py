"""One request to a Jira sandbox without a client: straight into its work, or over the wire."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Mapping
from http.client import HTTPMessage
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from loadtest.upstreams.answer import Refusal
from loadtest.upstreams.jira import JiraSandbox
from loadtest.upstreams.wiretap import Seen
from tests.loadtest.plain import SECRET, WAIT_S

USER = "bot@shop.test"
BASE = "https://shop.atlassian.test"

BASIC = "Basic " + base64.b64encode(f"{USER}:{SECRET}".encode()).decode()

# A sandbox's own, or a connection's, which tells a header in whatever case it is asked for.
Headers: TypeAlias = Mapping[str, str] | HTTPMessage


class Said(NamedTuple):
    """
    An answer: its body as JSON, or as it came where it is none.
    """

    status: int
    headers: Headers
    body: Any


class Clock:
    """
    A clock that stands until it is moved.
    """

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def sandbox(*, clock: Clock | None = None, search_lag_s: float = 0.0) -> JiraSandbox:
    """
    Return a sandbox that need not listen.
    """
    return JiraSandbox(secret=SECRET, user=USER, base_url=BASE, clock=clock or Clock(), search_lag_s=search_lag_s)


def ask(
    upstream: JiraSandbox,
    method: str,
    path: str,
    body: object = None,
    *,
    version: str = "3",
    content_type: str = "application/json",
    **headers: str,
) -> Said:
    """
    Let a sandbox do one request; a body of bytes goes as it is, every other as JSON.
    """
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    all_headers = {"Content-Type": content_type} | {name.replace("_", "-"): value for name, value in headers.items()}
    pairs = tuple((name.encode(), value.encode()) for name, value in all_headers.items())
    try:
        answer = upstream.work(Seen(method, f"/rest/api/{version}/{path}", pairs, raw))
    except Refusal as refusal:
        answer = refusal.answer()
    return Said(answer.status, answer.headers, _value(answer.headers, answer.body))


def _value(headers: Headers, body: bytes) -> Any:
    return json.loads(body) if body and "json" in (headers.get("Content-Type") or "") else body


def send(
    upstream: JiraSandbox, method: str, path: str, body: object = None, *, authorization: str | None = BASIC
) -> Said:
    """
    Send one request over the wire.
    """
    where = urlsplit(upstream.url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=WAIT_S)
    headers = {"Content-Type": "application/json"} | ({} if authorization is None else {"Authorization": authorization})
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        told = answer.headers
        return Said(answer.status, told, _value(told, answer.read()))
    finally:
        connection.close()


def make(upstream: JiraSandbox, summary: str = "Card declined", *, version: str = "3", **fields: object) -> str:
    """
    Make an issue and return its key.
    """
    whole = {"project": {"key": "SHOP"}, "issuetype": {"name": "Task"}, "summary": summary} | fields
    said = ask(upstream, "POST", "issue", {"fields": whole}, version=version)
    assert said.status == 201, said
    return str(said.body["key"])


def fields(upstream: JiraSandbox, key: str, *, version: str = "3") -> dict[str, Any]:
    """
    Return an issue's fields.
    """
    said = ask(upstream, "GET", f"issue/{key}", version=version)
    assert said.status == 200, said
    return dict(said.body["fields"])


def document(*lines: str) -> dict[str, Any]:
    """
    Return an Atlassian Document with a paragraph for each line.
    """
    content = [{"type": "paragraph", "content": [{"type": "text", "text": line}] if line else []} for line in lines]
    return {"type": "doc", "version": 1, "content": content}


def form(*files: tuple[str, bytes], boundary: str = "frontier") -> tuple[str, bytes]:
    """
    Return the content type and the body of a form with these files.
    """
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for name, data in files
    ]
    return f"multipart/form-data; boundary={boundary}", b"".join(parts) + f"--{boundary}--\r\n".encode()
