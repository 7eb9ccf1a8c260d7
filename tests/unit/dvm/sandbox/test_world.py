"""The dice: a documented stream, three independent ones, the same however it is drawn."""

from __future__ import annotations

from hashlib import shake_256

from hypothesis import given
from hypothesis import strategies as st

from dvm.sandbox.world import Dice

SEED = bytes(range(32))


def test_the_stream_is_the_documented_one() -> None:
    blocks = [shake_256(b"dvm/random/1:random:" + SEED + i.to_bytes(8, "little")).digest(136) for i in range(3)]
    assert Dice(b"random", SEED).draw(3 * 136) == b"".join(blocks)


def test_names_and_seeds_give_other_streams() -> None:
    streams = {Dice(name, seed).draw(32) for name in (b"random", b"insecure") for seed in (SEED, bytes(32))}
    assert len(streams) == 4


@given(st.lists(st.integers(0, 300), max_size=12))
def test_how_it_is_drawn_does_not_matter(counts: list[int]) -> None:
    dice = Dice(b"random", SEED)
    assert b"".join(dice.draw(count) for count in counts) == Dice(b"random", SEED).draw(sum(counts))
