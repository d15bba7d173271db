"""How a name that came from outside may be repeated in an answer or a record: escaped, and short."""

from __future__ import annotations

# Long enough for every argument name that a bundled catalogue declares, short enough to be useless for smuggling.
NAME_SHOWN_MAX = 64


def spelled(name: str) -> str:
    """
    Return `name` in printable ASCII, cut to a bounded length.
    """
    text = name if len(name) <= NAME_SHOWN_MAX else f"{name[:NAME_SHOWN_MAX]}..."
    if text.isascii() and text.isprintable():
        return text
    return text.encode("unicode_escape").decode("ascii")
