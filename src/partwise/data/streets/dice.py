"""Random numbers of a street: one stream for a single picture, or one for each part of a street that is seen often.

A single picture takes all its numbers from one stream while it is painted. A sequence cannot: when a house leaves the
view, everything that is painted after it would change. There each part has a stream of its own, which begins again in
each frame, so that a car has the same paint and a house the same windows in all of them.
"""

from __future__ import annotations

import hashlib
import random

__all__ = ["Dice", "SteadyDice"]


class Dice(random.Random):
    """One stream of random numbers for everything.

    Attributes:
        steady: Whether parts have streams of their own.
    """

    steady = False

    def part(self, *key: object) -> Dice:
        """Return the stream of a part, which is this stream.

        Args:
            *key: What tells the part from others.
        """
        return self


class SteadyDice(Dice):
    """A stream of its own for each part: `part` with one key gives the same numbers in each call.

    >>> dice = SteadyDice("street")
    >>> dice.part("car", 3).random() == dice.part("car", 3).random() != dice.part("car", 4).random()
    True

    Args:
        seed: Seed; of the same seed come the same numbers.
    """

    steady = True

    def __init__(self, seed: str):
        super().__init__(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))
        self._seed = seed

    def __reduce__(self) -> tuple[type[SteadyDice], tuple[str]]:
        return SteadyDice, (self._seed,)

    def part(self, *key: object) -> Dice:
        """Return a new stream for a part."""
        return SteadyDice(f"{self._seed}/{'/'.join(map(str, key))}")
