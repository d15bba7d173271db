"""What the object that a lost write named proves, beside how it was before."""

from __future__ import annotations

import pytest

from proxy.doubt.claims import Claim
from proxy.doubt.course import Found
from proxy.doubt.state import UNSEEN, Wanted, judge

OPEN, CLOSED = {"title": "A", "state": "open"}, {"title": "A", "state": "closed"}
RENAMED = {"title": "B", "state": "open"}
HALF = {"title": "B", "state": "closed"}

CLOSE = Wanted(claims=(Claim("/state", "closed"),))
BOTH = Wanted(claims=(Claim("/state", "closed"), Claim("/title", "B")))
GONE = Wanted(gone=True)
DELETED = Wanted(gone=True, deletion={"deleted": True})
MERGED = Wanted(done=(("/merged", (True,)), ("/state", ("closed", "done"))))
EMPTIED = Wanted(done=(("/labels/0", (None,)),))

# One row: what it is about, how it should be, how it was, how it is, what that proves.
STATES: tuple[tuple[str, Wanted, object, object, Found], ...] = (
    ("changed as asked", CLOSE, OPEN, CLOSED, Found.ONE),
    ("as it was", CLOSE, OPEN, OPEN, Found.NONE),
    ("it was so already", CLOSE, CLOSED, CLOSED, Found.UNLIKE),
    ("nobody saw it before", CLOSE, UNSEEN, CLOSED, Found.UNLIKE),
    ("nobody saw it before, and it is not so", CLOSE, UNSEEN, OPEN, Found.UNLIKE),
    ("something else changed", CLOSE, OPEN, RENAMED, Found.NONE),
    ("half of it", BOTH, OPEN, CLOSED, Found.UNLIKE),
    ("the other half", BOTH, OPEN, RENAMED, Found.UNLIKE),
    ("all of it", BOTH, OPEN, HALF, Found.ONE),
    ("it is gone", CLOSE, OPEN, None, Found.UNLIKE),
    ("made under a name that was free", CLOSE, None, CLOSED, Found.ONE),
    ("it says nothing of that", Wanted(claims=(Claim("/coupon", "X"),)), OPEN, OPEN, Found.UNLIKE),
    ("it says that there is none", Wanted(claims=(Claim("/who/id", 1),)), {"who": None}, {"who": None}, Found.NONE),
    ("still free", CLOSE, None, None, Found.NONE),
    ("another was made there", CLOSE, None, OPEN, Found.UNLIKE),
    ("deleted", GONE, OPEN, None, Found.ONE),
    ("still there", GONE, OPEN, CLOSED, Found.NONE),
    ("still there, and nobody saw it before", GONE, UNSEEN, OPEN, Found.NONE),
    ("it was gone already", GONE, None, None, Found.UNLIKE),
    ("gone, and nobody saw it before", GONE, UNSEEN, None, Found.UNLIKE),
    ("shown as deleted", DELETED, OPEN, {"deleted": True}, Found.ONE),
    ("shown as deleted before", DELETED, {"deleted": True}, {"deleted": True}, Found.UNLIKE),
    ("not shown as deleted", DELETED, OPEN, OPEN, Found.NONE),
    ("gone instead of deleted", DELETED, OPEN, None, Found.ONE),
    ("merged", MERGED, OPEN, {"merged": True, "state": "done"}, Found.ONE),
    ("not merged", MERGED, OPEN, {"merged": False, "state": "done"}, Found.NONE),
    ("done says 1 for true", MERGED, OPEN, {"merged": 1, "state": "done"}, Found.NONE),
    ("nothing stands there any more", EMPTIED, {"labels": ["bug"]}, {"labels": []}, Found.ONE),
    ("nothing stood there before", EMPTIED, {"labels": []}, {"labels": []}, Found.UNLIKE),
)


@pytest.mark.parametrize(
    ("wanted", "before", "now", "found"), [row[1:] for row in STATES], ids=[row[0] for row in STATES]
)
def test_states(wanted: Wanted, before: object, now: object, found: Found) -> None:
    """An object proves what its row says."""
    assert judge(wanted, before, now) is found


def test_visible() -> None:
    """A write that nothing would show cannot be looked for by its object."""
    assert [wanted.visible for wanted in (Wanted(), CLOSE, GONE, MERGED)] == [False, True, True, True]
