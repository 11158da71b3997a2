"""Requests that one call answers: the token that follows a prompt. All of a batch are done together."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from reference_models.batching.model import Answer, Pool
from reference_models.language.decoder import Decoder


class Scoring:
    """Answers prompts with the token that is most likely to follow.

    Args:
        model: a decoder.
        pool: prompts whose answers are one token long.
    """

    def __init__(self, model: Decoder, pool: Pool) -> None:
        self.model, self.pool = model, pool

    def steps(self, request: int) -> int:
        """How many steps a request stays for."""
        del request
        return 1

    def alone(self, request: int) -> Answer:
        """The answer to a request that has the model for itself."""
        return self.pool.answers[self.pool.row(request)]

    @torch.inference_mode()
    def step(self, admitted: Sequence[int]) -> dict[int, Answer]:
        """Answers all that are admitted."""
        rows = [self.pool.row(request) for request in admitted]
        scores = self.model.logits(self.model(self.pool.prompts[rows])[:, -1])
        return dict(zip(admitted, ((token,) for token in scores.argmax(-1).tolist()), strict=True))
