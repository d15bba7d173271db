"""How commands reach a running process: its `run.json`, its admin door, and an operator's token to show there."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from proxy.control.merged import UNHEARD
from proxy.errors import StartRefused
from proxy.keys import OPERATOR_PREFIX
from proxy.ledger.disk import RealDisk, is_locked
from proxy.secret import Secret, admit_secret, read_secret_file

TIMEOUT_S = 10.0
"""An admin door answers in milliseconds; a process that does not by then will not."""

TOKEN_VARIABLE = "BREAKWATER_OPERATOR_TOKEN"  # noqa: S105 a variable's name

_PERSONAL: ContextVar[Callable[[], Secret | None]] = ContextVar("personal", default=lambda: None)


@dataclass(frozen=True, slots=True)
class Running:
    """
    A process that serves this state folder: its admin door and the token that is shown there.
    """

    pid: int
    doors: dict[str, str]
    token: str = field(repr=False)

    def ask(self, method: str, path: str, body: object = None, *, within_s: float = TIMEOUT_S) -> tuple[int, Any]:
        """
        Make one admin call; return its status and decoded body. Raise `StartRefused` where nobody answers.
        """
        status, answer, _ = self._asked(method, path, body, within_s)
        return status, answer

    def _asked(self, method: str, path: str, body: object, within_s: float) -> tuple[int, Any, str]:
        connection = _connection(self.doors["admin"], within_s)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), answer.headers.get(UNHEARD, "")
        except (OSError, ValueError, http.client.HTTPException):
            hint = f"process {self.pid} holds the state folder; see its log"
            raise StartRefused("the running Breakwater does not answer on its admin door", hint) from None
        finally:
            connection.close()

    def insist(self, method: str, path: str, body: object = None, *, within_s: float = TIMEOUT_S) -> Any:
        """
        Make one admin call that must succeed; raise `StartRefused` with what the process said otherwise.
        """
        answer, _ = self._insisted(method, path, body, within_s)
        return answer

    def look(self, path: str, *, within_s: float = TIMEOUT_S) -> tuple[Any, dict[str, str]]:
        """
        Ask what all processes know, as `insist`; return with it who was not heard, each with why.
        """
        answer, unheard = self._insisted("GET", path, None, within_s)
        return answer, _named(unheard)

    def reach(self, method: str, path: str, body: object, on_unheard: Callable[[Mapping[str, str]], None]) -> Any:
        """
        Have all processes do something, as `insist`; who was not heard is told first, each with why.
        """
        status, answer, unheard = self._asked(method, path, body, TIMEOUT_S)
        on_unheard(_named(unheard))
        return _good(status, answer)

    def _insisted(self, method: str, path: str, body: object, within_s: float) -> tuple[Any, str]:
        status, answer, unheard = self._asked(method, path, body, within_s)
        return _good(status, answer), unheard


def _good(status: int, answer: Any) -> Any:
    if status >= 400:  # the protocol's own bound
        raise StartRefused(str(answer.get("error", status)), str(answer.get("hint", "")))
    return answer


def _named(unheard: str) -> dict[str, str]:
    return dict(one.strip().split(";", 1) for one in unheard.split(",") if ";" in one)


class _UnixConnection(http.client.HTTPConnection):
    """
    A connection to a door that is a unix socket.
    """

    def __init__(self, path: str, within_s: float) -> None:
        super().__init__("localhost", timeout=within_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connection(door: str, within_s: float) -> http.client.HTTPConnection:
    if door.startswith("unix:"):
        return _UnixConnection(door.removeprefix("unix:"), within_s)
    where = urlsplit(door)
    return http.client.HTTPConnection(str(where.hostname), where.port, timeout=within_s)


def shown_token(file: Path | None, environ: Mapping[str, str]) -> Secret | None:
    """
    Return the personal token that a file holds, else the environment; None where neither is named.

    Raise `StartRefused` where what is named is none.
    """
    whose, hint = "the operator's token", "`breakwater operator mint NAME` prints one, once"
    if file is not None:
        place, text = f"file {file}", read_secret_file(file, whose)
    elif TOKEN_VARIABLE in environ:
        place, text = f"environment variable {TOKEN_VARIABLE}", environ[TOKEN_VARIABLE]
    else:
        return None
    token = admit_secret(text, whose, place, hint)
    if not token.reveal().startswith(OPERATOR_PREFIX):
        raise StartRefused(f"this is no operator's token: {place}", hint)
    return token


@contextmanager
def showing(personal: Callable[[], Secret | None]) -> Iterator[None]:
    """
    Have a personal token shown at the admin door where there is one, instead of the one in the state folder.

    It is looked for when a running process is asked, and not by what asks none.
    """
    before = _PERSONAL.set(personal)
    try:
        yield
    finally:
        _PERSONAL.reset(before)


def has_started(state: Path) -> bool:
    """
    Tell whether a process ever started on this state folder: a command that only looks makes none.
    """
    return (state / "admin.token").exists()


def find_running(state: Path) -> Running | None:
    """
    Return the process that serves this state folder, or None where the folder's lock is free.
    """
    if not is_locked(state, RealDisk()):
        return None
    try:
        run = json.loads((state / "run.json").read_text())
        personal = _PERSONAL.get()()
        token = personal.reveal() if personal else (state / "admin.token").read_text().strip()
        return Running(int(run["pid"]), dict(run["doors"]), token)
    except (OSError, ValueError, KeyError, TypeError):
        hint = "it is starting or stopping; try again in a moment"
        raise StartRefused(f"a process holds {state}, but it is not ready", hint) from None
