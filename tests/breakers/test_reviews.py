from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.reviews import DRAW_BYTES, PPM, is_drawn, review_ppm
from config.reviews import ALL_PPM
from tests.breakers.world import policy
from tests.conftest import Figure

SHARE = 20_000

DRAWS = 20_000


def test_within_binomial_bounds(figure: Figure) -> None:
    """Of many writes so many are drawn as chance allows of the share on the card."""
    random = Random(6)
    drawn = sum(is_drawn(SHARE, random.randbytes(DRAW_BYTES)) for _ in range(DRAWS))
    share = SHARE / PPM
    figure("reviews: drawn of 20,000 at 2 %", drawn)
    # Four standard deviations to either side.
    assert abs(drawn - DRAWS * share) <= 4 * math.sqrt(DRAWS * share * (1 - share))


@given(st.integers(0, ALL_PPM), st.binary(min_size=DRAW_BYTES, max_size=DRAW_BYTES))
def test_more_takes_more(ppm: int, draw: bytes) -> None:
    """What a share takes every larger one takes, nothing takes none and everything takes all."""
    assert not is_drawn(0, draw)
    assert is_drawn(ALL_PPM, draw)
    assert is_drawn(ppm, draw) <= is_drawn(min(ALL_PPM, ppm + 1), draw)


@pytest.mark.parametrize(
    ("rules", "of_card", "expected"),
    [
        ({"refunds.create": {}}, 20_000, 20_000),
        ({"refunds.create": {"review": "5%"}}, 20_000, 50_000),
        ({"refunds.create": {"review": "0%"}}, 20_000, 0),
        ({"refunds.create": {"review": "5%"}, "refunds.*": {"review": "7.5%"}, "*": {}}, 0, 75_000),
        ({"charges.retrieve": {"review": "5%"}}, 20_000, 20_000),
    ],
    ids=["the card's", "the rule's", "none of it", "the largest", "another's"],
)
def test_share(rules: dict[str, object], of_card: int, expected: int) -> None:
    """A rule's share counts before the card's, and of several the largest."""
    judged = policy(rules, review=f"{of_card / 10_000:g}%")
    assert review_ppm(judged, "clerk", "shop", "refunds.create") == expected
    assert review_ppm(judged, "nobody", "shop", "refunds.create") == 0
