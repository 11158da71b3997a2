"""What SmolLM2 is given to read, the same everywhere: documents of one length, and prompts with a number."""

from __future__ import annotations

from functools import cache

from reference_models.language import passkey, texts
from reference_models.language.tokens import encode


@cache
def _tokens(source: str) -> list[int]:
    return encode(texts.text(source))


def documents(N: int, count: int) -> list[list[int]]:
    """Pieces of N tokens that do not overlap, spread evenly over all sources.

    Raises:
        NotImplementedError: the model or a text is not installed; the message says how to.
        ValueError: the texts hold fewer pieces.
    """
    pieces = [
        whole[first : first + N]
        for whole in map(_tokens, texts.SOURCES)
        for first in range(0, len(whole) - N + 1, N)
    ]
    if not 1 <= count <= len(pieces):
        raise ValueError(f"{count} documents of {N} tokens are asked for, and the texts hold {len(pieces)}")
    return [pieces[round(place * (len(pieces) - 1) / max(1, count - 1))] for place in range(count)]


def prompts(N: int, depths: tuple[float, ...] = passkey.DEPTHS) -> list[passkey.Prompt]:
    """Prompts of N tokens, a hidden number at each depth.

    Raises:
        NotImplementedError: the model or a text is not installed; the message says how to.
    """
    return passkey.prompts(N, _tokens("python"), encode, depths)
