"""The model that requests are put to, and prompts whose answers rounding cannot change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reference_models.language.decoder import Cache, Config, Decoder

Answer = tuple[int, ...]
"""The tokens that follow a prompt."""

GAIN = 16.0
"""What a block adds is made larger by this: as PyTorch draws weights it is so little that each token would be
followed by itself, whatever came before, and rows that are mixed up would go unnoticed."""

GAP = 1e-3
"""By how much the best token's score has to lead: a batch adds up in another order than a single request,
which changes scores of about one by some 1e-6 in float32, and a tie would turn into another answer."""


def decoder(device: str, seed: int, width: int = 128, layers: int = 2, context: int = 256) -> Decoder:
    """A small decoder of 256 tokens with random weights, in float32."""
    config = Config(256, width, 2 * width, layers, heads=4, kv_heads=2, context=context)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Decoder(config).requires_grad_(False)
    for name, weight in model.named_parameters():
        if name.endswith(("attn_output.weight", "ffn_down.weight")):
            weight.mul_(GAIN)
    return model.to(device).eval()


def prompts(count: int, N: int, device: str, seed: int) -> Tensor:
    """Random prompts of N tokens, (count, N)."""
    return torch.randint(256, (count, N), generator=torch.Generator().manual_seed(seed)).to(device)


@torch.inference_mode()
def greedy(model: Decoder, prompt: Tensor, length: int) -> tuple[Answer, float]:
    """The answer to one prompt (N,) of `length` tokens, each the most likely one, and the smallest lead
    that any of them had over the second."""
    cache = Cache(model.config, len(prompt) + length, model.token_embd.weight)
    tokens, lead = prompt[None], math.inf
    answer: list[int] = []
    for _ in range(length):
        best = model.logits(model(tokens, cache=cache)[0, -1]).topk(2)
        lead = min(lead, float(best.values[0] - best.values[1]))
        answer.append(int(best.indices[0]))
        tokens = best.indices[None, :1]
    return tuple(answer), lead


@dataclass(frozen=True)
class Pool:
    """What is asked, again and again: prompts (requests, N), how many tokens follow each, and which, when it
    has the model for itself. Request i is prompt i modulo their number."""

    prompts: Tensor
    lengths: list[int]
    answers: list[Answer]

    def row(self, request: int) -> int:
        """Which prompt a request is."""
        return request % len(self.lengths)


def pool(model: Decoder, prompts: Tensor, lengths: Sequence[int]) -> Pool:
    """Those of some prompts (requests, N) whose answer leads by `GAP` at every token.

    Raises:
        ValueError: none has such an answer.
    """
    found = [greedy(model, prompt, length) for prompt, length in zip(prompts, lengths, strict=True)]
    kept = [row for row, (_, lead) in enumerate(found) if lead > GAP]
    if not kept:
        raise ValueError(f"no prompt of {len(prompts)} has an answer that leads by {GAP:g} at every token")
    return Pool(prompts[kept], [lengths[row] for row in kept], [found[row][0] for row in kept])
