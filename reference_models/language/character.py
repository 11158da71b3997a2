"""A small decoder over characters, trained from nothing in about a minute: can sparse attention be learnt?

A selector that is put into a trained model changes what it was trained with. Here the model is trained with
the selector in place, as Yuan et al., "Native Sparse Attention", ACL 2025 (arXiv:2502.11089), and Lu et al.,
"MoBA", 2025 (arXiv:2502.13189) train theirs. The choice of keys has no gradient; attention over them has.
Trained with another seed, the dense model says how far two runs of the same recipe are apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from reference_models.language import texts
from reference_models.language.answers import answers
from reference_models.language.decoder import Attention, Config, Decoder, dense
from reference_models.language.sparse import Select, Sparse

CONTEXT = 256
"""Characters that the model reads at once."""

BATCH, RATE, WARMING = 8, 3e-3, 50
"""Sequences of a step, the largest learning rate, and the steps in which it is reached."""


def data() -> tuple[Tensor, Tensor, int]:
    """The characters of Python's reference manual as numbers, all but the last tenth for training and the
    rest for testing, and how many different ones there are.

    Raises:
        NotImplementedError: this Python has another text; the message says which have it.
    """
    text = texts.text("python")
    known = {character: number for number, character in enumerate(sorted(set(text)))}
    numbers = torch.tensor([known[character] for character in text])
    first = 9 * len(numbers) // 10
    return numbers[:first], numbers[first:], len(known)


def train(text: Tensor, vocabulary: int, steps: int, seed: int, attention: Attention = dense) -> Decoder:
    """A decoder of three layers and 0.3 million parameters, after so many steps of AdamW.

    Args:
        text: numbers of characters to draw pieces from, (n,), on the device to train on.
        seed: of the first weights and of the pieces.
        attention: what every layer attends by, in training.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Decoder(Config(vocabulary, 96, 256, 3, 4, 2, CONTEXT, rope_base=10_000.0)).to(text.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.1, betas=(0.9, 0.95))
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / WARMING, total_iters=WARMING)
    cool = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps - WARMING))
    rates = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, cool], [WARMING])
    for _ in range(steps):
        firsts = torch.randint(len(text) - CONTEXT, (BATCH, 1), generator=generator).to(text.device)
        pieces = text[firsts + torch.arange(CONTEXT + 1, device=text.device)]
        scores = model.logits(model(pieces[:, :-1], attention))
        torch.autograd.backward(cross_entropy(scores.flatten(0, 1), pieces[:, 1:].flatten()))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        rates.step()
    return model.requires_grad_(False).eval()


def trained(
    text: Tensor,
    documents: list[list[int]],
    vocabulary: int,
    steps: int,
    seed: int,
    *,
    select: Select | None = None,
    learnt: bool = True,
    another: int = 0,
    **options: Any,
) -> Mapping[str, Any]:
    """Trains a model and lets it read the documents; see `answers` for what comes of that.

    Args:
        select, options: chooses the keys, all of them when it is None.
        learnt: whether the selector is in place from the first step of training, or put in at the end.
        another: is added to the seed.
    """
    attention = Sparse(select, **options) if select and learnt else dense
    model = train(text, vocabulary, steps, seed + another, attention)
    return answers(model, documents, select=select, **options)


def documents(test: Tensor) -> list[list[int]]:
    """The test text in pieces of one context."""
    firsts = range(0, len(test) - CONTEXT + 1, CONTEXT)
    return [test[first : first + CONTEXT].tolist() for first in firsts]
