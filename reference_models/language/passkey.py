"""Prompts that hide a number in a long text and end by asking for it.

Mohtashami and Jaggi, "Landmark Attention", NeurIPS 2023 (arXiv:2305.16300), hide it in a sentence repeated
over and over; here it is hidden in real prose, which has more to look at.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

DEPTHS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Where the number is hidden, as a share of the prose before and behind it."""

DIGITS = 5


@dataclass(frozen=True)
class Prompt:
    """Tokens that end with the number; its digits are the last `digits` of them."""

    tokens: tuple[int, ...]
    depth: float
    digits: int


def prompts(
    N: int,
    prose: Sequence[int],
    encode: Callable[[str], list[int]],
    depths: Sequence[float] = DEPTHS,
    seed: int = 0,
) -> list[Prompt]:
    """One prompt of N tokens a depth, each with a number and a piece of the prose of its own.

    Args:
        N: tokens of a prompt, the number included.
        prose: tokens to hide it in; at least N.
        encode: tokens of a text, each digit a token of its own.
        seed: of the numbers and the pieces.

    Raises:
        ValueError: N is too short to hold the question and the number, or the prose is shorter than N.
    """
    draw = random.Random(seed)
    found = []
    for depth in depths:
        number = "".join(draw.choices("0123456789", k=DIGITS))
        hidden = encode(f"\n\nThe pass key is {number}. Remember it. {number} is the pass key.\n\n")
        asked = encode(f"\n\nWhat is the pass key? The pass key is {number}")
        room = N - len(hidden) - len(asked)
        if room < 1 or len(prose) < N:
            raise ValueError(f"no room for a pass key in {N} tokens of a text of {len(prose)}")
        first = draw.randrange(len(prose) - room + 1)
        before = first + round(depth * room)
        around = list(prose[first:before]), list(prose[before : first + room])
        found.append(Prompt((*around[0], *hidden, *around[1], *asked), depth, DIGITS))
    return found
