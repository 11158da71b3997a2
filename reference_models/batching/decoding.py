"""Requests that are written token by token, in a batch that others may join and leave between two tokens.

Each request has a row of the cache and a length of its own. Rows in use are the first ones: when a request
leaves, the last row moves into its place, so that a step costs what its requests do and not what fits.
Yu et al., "Orca: A Distributed Serving System for Transformer-Based Generative Models", OSDI 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from reference_models.batching.model import Answer, Pool
from reference_models.language.decoder import Cache, Decoder


@dataclass
class _Row:
    """A request in the batch, its answer so far."""

    request: int
    answer: list[int] = field(default_factory=list)


class Decoding:
    """Writes the answers to prompts, one token a request and step.

    Args:
        model: a decoder.
        pool: prompts with the lengths of their answers.
        slots: how many requests fit at once.
    """

    def __init__(self, model: Decoder, pool: Pool, slots: int) -> None:
        self.model, self.pool, self.slots = model, pool, slots
        self._rows: list[_Row] = []
        longest = pool.prompts.shape[1] + max(pool.lengths)
        self._cache = Cache(model.config, longest, model.token_embd.weight, slots)
        # What lies beyond a row's end is hidden by -inf and weighed with zero; not-a-number survives both.
        self._cache.keys.zero_()
        self._cache.values.zero_()

    def steps(self, request: int) -> int:
        """How many steps a request stays for: one a token, the first while its prompt is read."""
        return self.pool.lengths[self.pool.row(request)]

    def alone(self, request: int) -> Answer:
        """The answer to a request that has the model for itself."""
        return self.pool.answers[self.pool.row(request)]

    @torch.inference_mode()
    def step(self, admitted: Sequence[int]) -> dict[int, Answer]:
        """Writes one token of every request inside, reads the prompts of those that are admitted, which
        gives their first, and gives the answers that are complete; their requests are inside no more.

        Raises:
            ValueError: more are admitted than there are slots for.
        """
        if len(self._rows) + len(admitted) > self.slots:
            raise ValueError(f"{len(self._rows)} requests in {self.slots} slots and {len(admitted)} more")
        if self._rows:
            self._decode()
        if admitted:
            self._prefill(admitted)
        return self._leave()

    def _prefill(self, admitted: Sequence[int]) -> None:
        first, N = len(self._rows), self.pool.prompts.shape[1]
        fresh = Cache(self.model.config, N, self._cache.keys, len(admitted))
        read = self.pool.prompts[[self.pool.row(request) for request in admitted]]
        scores = self.model.logits(self.model(read, cache=fresh)[:, -1])
        rows = slice(first, first + len(admitted))
        self._cache.keys[:, rows, :, :N], self._cache.values[:, rows, :, :N] = fresh.keys, fresh.values
        self._rows += [
            _Row(request, [token])
            for request, token in zip(admitted, scores.argmax(-1).tolist(), strict=True)
        ]

    def _decode(self) -> None:
        model, N, device = self.model, self.pool.prompts.shape[1], self.pool.prompts.device
        # The newest token of each row is written where its prompt and its earlier tokens end.
        at = torch.tensor([N + len(row.answer) - 1 for row in self._rows], device=device)
        newest = torch.tensor([[row.answer[-1]] for row in self._rows], device=device)
        view = _Rows(self._cache, at)
        rotation = model.rotation(at, self._cache.keys)[:, :, None, None]  # (2, B, 1, 1, D/2)
        x = model.token_embd(newest)
        for block in model.blk:
            x = block(x, rotation, view.attend, view)
        scores = model.logits(model.output_norm(x)[:, -1])
        for row, token in zip(self._rows, scores.argmax(-1).tolist(), strict=True):
            row.answer.append(token)

    def _leave(self) -> dict[int, Answer]:
        done: dict[int, Answer] = {}
        for place in reversed(range(len(self._rows))):
            row = self._rows[place]
            if len(row.answer) < self.steps(row.request):
                continue
            done[row.request] = tuple(row.answer)
            last = self._rows.pop()
            if last is not row:
                self._rows[place] = last
                for part in (self._cache.keys, self._cache.values):
                    part[:, place] = part[:, len(self._rows)]
        return done


class _Rows(Cache):
    """The first rows of a cache, each with a length of its own, for one new position a row."""

    def __init__(self, whole: Cache, at: Tensor) -> None:
        self.keys, self.values, self._at = whole.keys, whole.values, at
        self._rows = torch.arange(len(at), device=at.device)
        self._longest = int(at.max()) + 1
        self._seen = (torch.arange(self._longest, device=at.device) <= at[:, None])[:, None, None]

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Writes a key and a value of every row, (B, Hkv, 1, D), at its end, and gives all of them."""
        self.keys[layer, self._rows, :, self._at] = k[:, :, 0]
        self.values[layer, self._rows, :, self._at] = v[:, :, 0]
        rows, longest = len(self._rows), self._longest
        return self.keys[layer, :rows, :, :longest], self.values[layer, :rows, :, :longest]

    def attend(self, q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
        """Exact attention of each row's query over what that row holds."""
        del causal  # the mask says it
        return scaled_dot_product_attention(q, k, v, attn_mask=self._seen, enable_gqa=True)
