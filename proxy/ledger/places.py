"""
Where a record stands, as one string: how the store and the road point at a record without knowing what a log is.

    place := origin "#" segment "/" index "/" offset "/" length

The log's name, the index at which the segment begins, the record's own index, where its frame begins in the file, and
the bytes of the entry. Nothing but this file makes or reads such a string.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PLACE = re.compile(r"(?P<origin>[^#]+)#(?P<numbers>[0-9]{1,19}(?:/[0-9]{1,19}){3})")

# As many digits as the folder of an epoch has.
_EPOCH = re.compile(r"/0*([1-9][0-9]{0,5})\Z")


@dataclass(frozen=True, slots=True)
class Place:
    """
    A place, taken apart.
    """

    origin: str
    segment: int
    index: int
    offset: int
    length: int

    @property
    def epoch(self) -> int:
        """
        Return the number of the log's epoch.
        """
        return epoch_of(self.origin)


def epoch_of(origin: str) -> int:
    """
    Return the number of an epoch, with which its log's name ends; 0 where it ends otherwise.
    """
    found = _EPOCH.search(origin)
    return int(found[1]) if found else 0


def spell_place(origin: str, segment: int, index: int, offset: int, length: int) -> str:
    """
    Return the string of a place; none where the log's name is not known.
    """
    return f"{origin}#{segment}/{index}/{offset}/{length}" if origin else ""


def read_place(text: str) -> Place:
    """
    Return the place that a string names.

    Raise `ValueError` where it is none.
    """
    found = _PLACE.fullmatch(text)
    if found is None:
        raise ValueError("this is no place of a record")
    return Place(found["origin"], *(int(number) for number in found["numbers"].split("/")))
