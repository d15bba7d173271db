"""What can be wrong with a configuration, as values: one fault a place, and the two ways in which they travel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

# How alike a word must be to be offered: a third of the letters may differ, below that a guess only misleads.
LIKENESS = 0.66

# How many words are offered: a person picks among three at a glance.
OFFERED_MAX = 3


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """
    One thing that is wrong: where it stands (lines and columns count from 1; 0 is the whole file), what, and the fix.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    @property
    def place(self) -> str:
        """
        Return `file:line:column`, or the file alone where no line is meant.
        """
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def __str__(self) -> str:
        """
        Return the fault on one line, without its hint.
        """
        return f"{self.place}: {self.message}"


class ConfigurationFault(Exception):
    """
    The configuration cannot be used: every fault that was found, in the order of the files.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class Unreadable(ValueError):
    """
    A value cannot mean what it should: what is wrong, and the right spelling.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CatalogFault(Exception):
    """
    A document, a table or an overlay cannot be used: what is wrong, and what to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """
    Return a hint with the known words nearest to `word`, else with all of them where they are few, else nothing.
    """
    words = sorted(set(known))
    near = get_close_matches(word, words, n=OFFERED_MAX, cutoff=LIKENESS)
    if near:
        return f"did you mean {listed(near)}?"
    return f"known here: {', '.join(words)}" if 0 < len(words) <= 4 * OFFERED_MAX else ""


def listed(words: Iterable[str]) -> str:
    """
    Return the words in backquotes, joined by commas and a last "or".
    """
    quoted = [f"`{word}`" for word in words]
    return " or ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1]))) if quoted else ""


class CurrencyMismatch(TypeError):
    """
    Two amounts of different currencies were compared or added.
    """
