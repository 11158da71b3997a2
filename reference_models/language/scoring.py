"""What a decoder makes of texts: how surprised it is by each token, and which it would have written."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from reference_models.language.decoder import Attention, Decoder

AT_ONCE = 1024
"""Positions whose scores over the whole vocabulary are held at once."""


@torch.inference_mode()
def read(
    model: Decoder, tokens: Sequence[int], attention: Attention | Sequence[Attention]
) -> tuple[Tensor, Tensor]:
    """Reads one text and compares each token with what the model expected there.

    Args:
        tokens: n of them.
        attention: as for `Decoder`.

    Returns:
        The loss in nats of the tokens but the first, (n - 1,), and the token that the model holds most
        likely at each of these places, both on the CPU.
    """
    given = torch.tensor([tokens], device=model.token_embd.weight.device)
    hidden, targets = model(given, attention)[0, :-1], given[0, 1:]
    losses, choices = [], []
    for first in range(0, len(targets), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        scores = model.logits(hidden[part]).float()
        losses.append(cross_entropy(scores, targets[part], reduction="none"))
        choices.append(scores.argmax(-1))
    return torch.cat(losses).cpu(), torch.cat(choices).cpu()
