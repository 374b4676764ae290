"""The fuzzer's targets hold on its seeds and on random changes of them; `make fuzz` goes on."""

import random

import pytest

from tests.fuzz.targets import TARGETS, seeds

CHANGES = 150


def changed(content: bytes, dice: random.Random) -> bytes:
    """Return content with some bytes flipped, cut out or doubled."""
    found = bytearray(content)
    for _ in range(dice.randint(1, 8)):
        position = dice.randrange(len(found) or 1)
        found[position : position + dice.randint(0, 4)] = dice.randbytes(dice.randint(0, 4))
    return bytes(found[: dice.randint(0, len(found))] if dice.random() < 0.2 else found)


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_and_changes_of_them(target):
    dice = random.Random(1)
    found = seeds(target)
    for content in found:
        TARGETS[target](content)
    for _ in range(CHANGES):
        TARGETS[target](changed(dice.choice(found), dice))
