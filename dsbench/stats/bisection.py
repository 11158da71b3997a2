"""Bisection with answers that are sometimes wrong: a posterior over where along a line a change came.

Every answer moves probability instead of cutting half of the line off, so that a wrong one is made good by
later ones, and what is left says how sure the result is.

Source: Horstein, "Sequential transmission using noiseless feedback", IEEE Trans. Inf. Theory 9 (1963);
Waeber, Frazier and Henderson, "Bisection search with noisy responses", SIAM J. Control Optim. 51 (2013).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import accumulate, pairwise

ERRORS = tuple(step / 40 for step in range(1, 20))
"""How often an answer may be wrong: 2.5 % to 47.5 %, every one of them possible."""


class Bisection:
    """The chance of each place, 0 to `count` - 1, that the change came with it; at first all are alike.

    The last place is known to have the change. Answers are taken to be wrong independently of each other.
    How often is not known but for trial answers, of which some were wrong, so that the chances are kept for
    each error that is possible, and answers that contradict each other make the larger ones likelier.
    """

    def __init__(self, count: int, wrong: int, trials: int) -> None:
        """Raises:
        ValueError: there is no place, or most trial answers were wrong.
        """
        if count < 1 or not 0 <= 2 * wrong <= trials:
            raise ValueError(f"{count} places, {wrong} of {trials} answers wrong: that cannot be bisected")
        likely = {error: error**wrong * (1 - error) ** (trials - wrong) for error in ERRORS}
        self._joint = {error: [weight / count] * count for error, weight in likely.items()}
        self._normalise()

    @property
    def chances(self) -> list[float]:
        """The chance of each place, whatever the error is."""
        return [sum(weights) for weights in zip(*self._joint.values(), strict=True)]

    def answer(self, place: int, changed: bool) -> None:
        """Takes in an answer to the question whether a place has the change."""
        for error, weights in self._joint.items():
            self._joint[error] = [
                weight * (1 - error if (index <= place) == changed else error)
                for index, weight in enumerate(weights)
            ]
        self._normalise()

    def _normalise(self) -> None:
        total = sum(map(sum, self._joint.values()))
        self._joint = {
            error: [weight / total for weight in weights] for error, weights in self._joint.items()
        }

    def question(self, unknowable: Collection[int] = ()) -> int | None:
        """The place to ask about: the one that splits the chances most evenly. None when no place is left
        to ask about: those in `unknowable` cannot be, and the last need not be."""
        reached = list(accumulate(self.chances))
        places = [place for place in range(len(reached) - 1) if place not in unknowable]
        return min(places, key=lambda place: abs(reached[place] - 0.5)) if places else None

    def suspects(self, unknowable: Collection[int] = ()) -> tuple[range, float]:
        """The likeliest place and its chance; places that no question can tell apart come together."""
        chances = self.chances
        ends = [place for place in range(len(chances)) if place not in unknowable]
        if ends[-1:] != [len(chances) - 1]:
            ends.append(len(chances) - 1)
        groups: Sequence[range] = [range(before + 1, place + 1) for before, place in pairwise([-1, *ends])]
        return max(
            ((group, sum(chances[group.start : group.stop])) for group in groups), key=lambda found: found[1]
        )
