"""The program's log: one canonical JSON object a line on standard output, and nothing else there."""

from __future__ import annotations

import io
import logging
import sys
import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from select import PIPE_BUF
from threading import Event, Thread
from typing import Protocol, TextIO, cast

import orjson

from proxy.clock import Clock


class Log(Protocol):
    """
    Where lines go.
    """

    def write(self, line: dict[str, object]) -> None:
        """
        Write one line; when it was said is a moment in UTC.
        """

    def event(self, event: str, **fields: object) -> None:
        """
        Write a line about the process.
        """

    def failure(self, call: str, error: BaseException) -> None:
        """
        Write what nobody foresaw: the exception's class and where it rose, never its text or its values.
        """


WAITING_MAX = 10_000
"""Lines that may wait for a slow reader of the log: some seconds of full load, a few megabytes."""

CLOSE_WITHIN_S = 2.0

GATHER_S = 0.02
"""Between two times at which the thread looks for lines: to wake it for each costs more than the line; nobody waits."""


def unlocked_output() -> TextIO:
    """
    Return standard output without the lock of its buffer, on which the end of a program that nobody reads would hang.
    """
    try:
        raw = io.FileIO(sys.stdout.fileno(), "wb", closefd=False)
    except io.UnsupportedOperation:  # it is no file, and nobody can leave it unread
        return sys.stdout
    return io.TextIOWrapper(cast("io.BufferedWriter", raw), encoding="utf-8", write_through=True)


class JsonLog:
    """
    Lines as JSON on a stream, written by a thread. A stream that nobody reads loses lines, never calls.

    The first line after a pause is written at once, those that follow it together a moment later: a process that is
    killed loses what came in that moment. A `worker` says so in each line, and shares the stream with others: what it
    writes at once stays in one piece.
    """

    def __init__(self, clock: Clock, stream: TextIO | None = None, worker: int | None = None) -> None:
        self._clock, self._stream = clock, stream or unlocked_output()
        self._also: dict[str, object] = {} if worker is None else {"worker": worker}
        self._waiting: deque[dict[str, object]] = deque()
        self._told, self._closed = Event(), Event()
        self._thread = Thread(target=self._run, name="log", daemon=True)
        self._thread.start()
        self.lost = 0

    def __repr__(self) -> str:
        return f"JsonLog({len(self._waiting)} waiting, {self.lost} lost)"

    def write(self, line: dict[str, object]) -> None:
        """
        Take one line.
        """
        if len(self._waiting) >= WAITING_MAX:
            self.lost += 1
            return
        self._waiting.append(line)
        # In this order: whoever clears it looks for lines afterwards.
        if not self._told.is_set():
            self._told.set()

    def close(self) -> None:
        """
        Write what waits, as far as somebody reads it.
        """
        self._closed.set()
        self._told.set()
        self._thread.join(CLOSE_WITHIN_S)

    def _run(self) -> None:
        while not self._closed.is_set() or self._waiting:
            self._told.wait()
            self._told.clear()
            self._write([self._waiting.popleft() for _ in range(len(self._waiting))])
            self._closed.wait(GATHER_S)

    def _write(self, lines: list[dict[str, object]]) -> None:
        spelled = list(filter(None, map(self._line, lines)))
        try:
            for piece in pieces(spelled) if self._also else ("".join(spelled),):
                self._stream.write(piece)
            self._stream.flush()
        except Exception:
            # Whatever is wrong with a stream, the thread goes on to the next lines.
            self.lost += len(spelled)

    def _line(self, line: dict[str, object]) -> str:
        try:
            return _spelled({**line, **self._also} if self._also else line)
        except Exception:
            # Whatever is wrong with a line, it takes no other with it.
            self.lost += 1
            return ""

    def event(self, event: str, **fields: object) -> None:
        """
        Write a line about the process.
        """
        self.write({"ts": self._clock.now(), "event": event, **fields})

    def failure(self, call: str, error: BaseException) -> None:
        """
        Write what nobody foresaw: the exception's class and where it rose, never its text or its values.
        """
        frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        self.event("failure", call=call, error=type(error).__name__, at=frames)


def _spelled(line: dict[str, object]) -> str:
    at = line.get("ts")
    if isinstance(at, datetime) and at.microsecond == 0:
        # The library would leave the fraction out.
        line = {**line, "ts": at.strftime("%Y-%m-%dT%H:%M:%S.000000Z")}
    return orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z).decode()


def pieces(lines: Iterable[str]) -> Iterator[str]:
    """
    Join lines into pieces that a pipe takes whole; a line that is longer is a piece of its own.
    """
    piece = ""
    for line in lines:
        if piece and len((piece + line).encode()) > PIPE_BUF:
            yield piece
            piece = ""
        piece += line
    if piece:
        yield piece


class LibraryLines(logging.Handler):
    """
    Brings what libraries log into the same stream: the level, the logger and the exception's class, never its text.

    Library messages may quote what a peer sent, and that may be anything.
    """

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """
        Write one library record.
        """
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        self._log.event("library", level=record.levelname, logger=record.name, at=record.funcName, error=error)
