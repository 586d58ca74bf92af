"""Standard normal draws that belong to ids, and the multipliers of lognormal figures made of them, some ids at a time."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Singles = NDArray[np.float32]
    Words = NDArray[np.uint32]

GENERATOR = "Philox, keyed by BLAKE2b of seed and id"
_UNIT = np.float32(2**-24)  # a uniform number has the upper 24 bits of a word of 32
_TURN = np.float32(2 * np.pi) * _UNIT


class Maker:
    """Makes `draws` draws [1] of a seed, at most `most` ids at a time, in memory of its own: new memory takes time.

    What it gives is good until it makes the next.
    """

    def __init__(self, draws: int, seed: int, most: int) -> None:
        """Nothing made yet."""
        half = (draws + 3) // 4  # pairs: a quarter of the draws, or a little more
        self.draws, self._seed, self._bits = draws, seed, np.random.Philox(key=0)
        self._fresh = self._bits.state
        self._words = np.empty((most, 2 * half), np.uint32)
        self._radius, self._angle, self._part = (np.empty((most, half), np.float32) for _ in range(3))
        self._both = np.empty((most, 4 * half), np.float32)

    def normals(self, terms: Sequence[tuple[str, float]]) -> Singles:
        """Draws [1] of some ids times their sigma [1], one row for each.

        Half are made (pairs of uniform ones into pairs of normal ones, Box and Muller 1958), the others are these negated:
        a tail never holds a draw and its negative, so its ends are as sure as those of as many independent ones.
        """
        count = len(terms)
        words = self._words[:count]
        radius, angle, part, both = (one[:count] for one in (self._radius, self._angle, self._part, self._both))
        half = radius.shape[1]
        sigma = np.array([[sigma] for _, sigma in terms], np.float32)
        for row, stream in zip(words, self._streams([id_ for id_, _ in terms], half), strict=True):
            np.right_shift(stream, 8, out=row)
        np.multiply(words[:, :half], _UNIT, out=radius, dtype=np.float32, casting="unsafe")
        np.subtract(1, radius, out=radius)  # never 0
        np.log(radius, out=radius)
        radius *= -2
        np.sqrt(radius, out=radius)
        np.multiply(words[:, half:], _TURN, out=angle, dtype=np.float32, casting="unsafe")
        for at, wave in enumerate((np.cos, np.sin)):
            made = both[:, at * half : (at + 1) * half]
            wave(angle, out=part)
            np.multiply(radius, part, out=made)
            made *= sigma
        np.negative(both[:, : 2 * half], out=both[:, 2 * half :])
        return both[:, : self.draws]

    def multipliers(self, terms: Sequence[tuple[str, float]]) -> Singles:
        """Draws [1] of some lognormal figures of median 1, less 1, one row for each: exp(sigma z) - 1."""
        found = self.normals(terms)
        np.exp(found, out=found)
        found -= 1
        return found

    def _streams(self, ids: Sequence[str], pairs: int) -> Iterator[Words]:
        """Words of each id's own stream, two a pair: one generator, set anew, is made faster than many."""
        for id_ in ids:
            key = hashlib.blake2b(f"{self._seed} {id_}".encode(), digest_size=16).digest()
            self._fresh["state"]["key"] = np.frombuffer(key, "<u8")
            self._bits.state = self._fresh
            yield self._bits.random_raw(pairs).astype("<u8", copy=False).view("<u4")
