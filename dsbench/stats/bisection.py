"""Bisection with answers that are sometimes wrong: a posterior over where along a line a change came.

Every answer moves probability instead of cutting half of the line off, so that a wrong one is made good by
later ones, and what is left says how sure the result is.

Source: Horstein, "Sequential transmission using noiseless feedback", IEEE Trans. Inf. Theory 9 (1963);
Waeber, Frazier and Henderson, "Bisection search with noisy responses", SIAM J. Control Optim. 51 (2013).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import accumulate, pairwise


class Bisection:
    """The chance of each place, 0 to `count` - 1, that the change came with it; at first all are alike.

    The last place is known to have the change. Answers are taken to be wrong independently of each other,
    each as often as `error`.
    """

    def __init__(self, count: int, error: float) -> None:
        """Raises:
        ValueError: there is no place, or answers say nothing.
        """
        if count < 1 or not 0 < error < 0.5:
            raise ValueError(f"{count} places and answers that are wrong in {error:.0%} cannot be bisected")
        self.error = error
        self.chances = [1 / count] * count

    def answer(self, place: int, changed: bool) -> None:
        """Takes in an answer to the question whether a place has the change."""
        likely, unlikely = 1 - self.error, self.error
        weights = [
            chance * (likely if (index <= place) == changed else unlikely)
            for index, chance in enumerate(self.chances)
        ]
        total = sum(weights)
        self.chances = [weight / total for weight in weights]

    def question(self, unknowable: Collection[int] = ()) -> int | None:
        """The place to ask about: the one that splits the chances most evenly. None when no place is left
        to ask about: those in `unknowable` cannot be, and the last need not be."""
        reached = list(accumulate(self.chances))
        places = [place for place in range(len(reached) - 1) if place not in unknowable]
        return min(places, key=lambda place: abs(reached[place] - 0.5)) if places else None

    def suspects(self, unknowable: Collection[int] = ()) -> tuple[range, float]:
        """The likeliest place and its chance; places that no question can tell apart come together."""
        ends = [place for place in range(len(self.chances)) if place not in unknowable]
        if ends[-1:] != [len(self.chances) - 1]:
            ends.append(len(self.chances) - 1)
        groups: Sequence[range] = [range(before + 1, place + 1) for before, place in pairwise([-1, *ends])]
        chances = [sum(self.chances[place] for place in group) for group in groups]
        best = max(range(len(groups)), key=lambda index: chances[index])
        return groups[best], chances[best]
