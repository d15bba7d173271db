"""The program's log: one canonical JSON object a line on standard output, and nothing else there."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Protocol, TextIO

import orjson

from proxy.clock import Clock


class Log(Protocol):
    """
    Where lines go.
    """

    def write(self, line: dict[str, object]) -> None:
        """
        Write one line.
        """

    def event(self, event: str, **fields: object) -> None:
        """
        Write a line about the process.
        """

    def failure(self, call: str, error: BaseException) -> None:
        """
        Write what nobody foresaw: the exception's class and where it rose, never its text or its values.
        """


class JsonLog:
    """
    Lines as JSON on a stream. A stream that cannot be written to loses lines, never calls.
    """

    def __init__(self, clock: Clock, stream: TextIO | None = None) -> None:
        self._clock, self._stream = clock, stream or sys.stdout
        self.lost = 0

    def write(self, line: dict[str, object]) -> None:
        """
        Write one line.
        """
        try:
            self._stream.write(orjson.dumps(line, default=str).decode() + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self.lost += 1

    def event(self, event: str, **fields: object) -> None:
        """
        Write a line about the process.
        """
        now = self._clock.now().isoformat(timespec="microseconds").replace("+00:00", "Z")
        self.write({"ts": now, "event": event, **fields})

    def failure(self, call: str, error: BaseException) -> None:
        """
        Write what nobody foresaw: the exception's class and where it rose, never its text or its values.
        """
        frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        self.event("failure", call=call, error=type(error).__name__, at=frames)


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
