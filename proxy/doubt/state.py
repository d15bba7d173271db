"""
What the object that a lost write named proves: it is as the write wanted it and was not before, or is as it was.

A state tells nothing of who brought it about. So it is proof only beside the image from before the write: what was so
already proves nothing, and neither does an object that is neither as it was nor as it should be, or that says nothing
at the place in question.

Pure: both images are parsed exactly, None is an object that is not there, `UNSEEN` an image that is not on record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from config.catalog import After, OperationSpec
from config.dialect import point_at
from proxy.doubt.claims import Claim
from proxy.doubt.course import Found
from proxy.images import same
from proxy.paths import pointer_names

UNSEEN = object()
"""In place of an image that nobody took."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    How an object is once a write took effect: `gone`, or showing what it is `done` by, or all that was sent.

    `done` has for each pointer what may stand there; None is nothing. An object with all of `deletion` counts as gone.
    """

    gone: bool = False
    done: tuple[tuple[str, tuple[str | int | bool | None, ...]], ...] = ()
    claims: tuple[Claim, ...] = ()
    deletion: Mapping[str, object] = field(default_factory=dict)

    @property
    def visible(self) -> bool:
        """
        Tell whether anything of it can be seen.
        """
        return bool(self.gone or self.done or self.claims)

    def met_by(self, image: object) -> bool:
        """
        Tell whether an object is as it was wanted.
        """
        if image is None or self._is_deleted(image):
            return self.gone
        if self.done:
            return all(any(same(point_at(image, at), one) for one in may) for at, may in self.done)
        return not self.gone and all(claim.shown_by(image) for claim in self.claims)

    def _is_deleted(self, image: object) -> bool:
        held = image if isinstance(image, dict) else {}
        return bool(self.deletion) and all(same(held.get(name), value) for name, value in self.deletion.items())

    def unmoved(self, before: object, now: object) -> bool:
        """
        Tell whether an object that is not as it was wanted is, in all of that, as it was before.
        """
        if self.gone or self.done:
            # It is there, or does not show what nothing else would make it show.
            return now is not None
        if before is UNSEEN or (before is None) is not (now is None):
            return False
        return now is None or all(
            same(point_at(before, claim.pointer), point_at(now, claim.pointer)) and _is_said(now, claim.pointer)
            for claim in self.claims
        )


def _is_said(image: object, pointer: str) -> bool:
    """
    Tell whether an object says anything at a place, if only that nothing is there: where it never does, nothing moves.
    """
    for name in pointer_names(pointer):
        if not isinstance(image, dict):
            break
        if name not in image:
            return False
        image = image[name]
    return True


def wanted_by(spec: OperationSpec, claims: Sequence[Claim], deletion: Mapping[str, object]) -> Wanted:
    """
    Return how the object that a write is about should be after it; `deletion` is by what its API says "deleted".
    """
    gone = spec.touches[0].after is After.GONE
    return Wanted(gone, spec.done, () if gone else tuple(claims), deletion)


def judge(wanted: Wanted, before: object, now: object) -> Found:
    """
    Return what an object proves that is now like this, and was like that before.
    """
    if wanted.met_by(now):
        return Found.ONE if before is not UNSEEN and not wanted.met_by(before) else Found.UNLIKE
    return Found.NONE if wanted.unmoved(before, now) else Found.UNLIKE
