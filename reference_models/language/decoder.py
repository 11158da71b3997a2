"""A decoder of the Llama family whose attention is an argument.

RMSNorm before each half of a block, rotary positions, grouped-query heads, a gated feed-forward network and
an output that shares the embedding's weights: Touvron et al., "LLaMA", 2023 (arXiv:2302.13971); Su et al.,
"RoFormer", 2021 (arXiv:2104.09864); Ainslie et al., "GQA", EMNLP 2023 (arXiv:2305.13245).

Rotary pairs are neighbours (2i, 2i + 1), as in RoFormer and in GGUF files of this family, where other
implementations pair i with i + D/2 and permute the weights. The parameters bear the names of GGUF.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention, silu

Attention = Callable[[Tensor, Tensor, Tensor, bool], Tensor]
"""``f(q, k, v, causal)`` with q of shape (B, H, Nq, D), k and v of shape (B, Hkv, Nk, D), Hkv a divisor of H,
and the queries the last Nq of the Nk positions; gives (B, H, Nq, D)."""


@dataclass(frozen=True)
class Config:
    """The sizes of a decoder: tokens it knows, width, hidden width of the feed-forward network, layers,
    heads of queries and of keys and values, and the longest text in tokens it was trained on."""

    vocabulary: int
    width: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    context: int
    rope_base: float = 100_000.0
    epsilon: float = 1e-5

    @property
    def head(self) -> int:
        """Numbers of a head."""
        return self.width // self.heads


def dense(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """Exact attention by PyTorch's fused kernel; see `Attention` for the shapes."""
    queries, keys = q.shape[2], k.shape[2]
    if not causal or queries == 1:
        return scaled_dot_product_attention(q, k, v, enable_gqa=True)
    if queries == keys:
        return scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    seen = torch.ones(queries, keys, dtype=torch.bool, device=q.device).tril(keys - queries)
    return scaled_dot_product_attention(q, k, v, attn_mask=seen, enable_gqa=True)


class Cache:
    """The keys and values of what was read, a layer each, in memory that is taken once."""

    def __init__(self, config: Config, capacity: int, like: Tensor, batch: int = 1) -> None:
        """
        Args:
            capacity: positions that fit.
            like: a tensor of the dtype and on the device that the cache shall have.
        """
        shape = (config.layers, batch, config.kv_heads, capacity, config.head)
        self.keys, self.values = like.new_empty(shape), like.new_empty(shape)
        self.length = 0

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Writes new keys and values of one layer behind `length`, and gives all of them.

        Raises:
            ValueError: they do not fit.
        """
        stop = self.length + k.shape[2]
        if stop > self.keys.shape[3]:
            raise ValueError(f"the cache holds {self.keys.shape[3]} positions, and {stop} are asked for")
        self.keys[layer, :, :, self.length : stop] = k
        self.values[layer, :, :, self.length : stop] = v
        return self.keys[layer, :, :, :stop], self.values[layer, :, :, :stop]


class Block(nn.Module):
    """Attention, then the feed-forward network, each added to what it reads."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.layer, self.head = layer, config.head
        outer, inner = config.width, config.kv_heads * config.head
        self.attn_norm = nn.RMSNorm(outer, eps=config.epsilon)
        self.attn_q = nn.Linear(outer, outer, bias=False)
        self.attn_k = nn.Linear(outer, inner, bias=False)
        self.attn_v = nn.Linear(outer, inner, bias=False)
        self.attn_output = nn.Linear(outer, outer, bias=False)
        self.ffn_norm = nn.RMSNorm(outer, eps=config.epsilon)
        self.ffn_gate = nn.Linear(outer, config.hidden, bias=False)
        self.ffn_up = nn.Linear(outer, config.hidden, bias=False)
        self.ffn_down = nn.Linear(config.hidden, outer, bias=False)

    def forward(self, x: Tensor, rotation: Tensor, attention: Attention, cache: Cache | None) -> Tensor:
        """
        Args:
            x: of shape (B, N, width).
            rotation: cosines and sines of the positions, (2, N, D/2).
        """
        normed = self.attn_norm(x)
        q, k, v = (
            part(normed).view(*x.shape[:2], -1, self.head).transpose(1, 2)
            for part in (self.attn_q, self.attn_k, self.attn_v)
        )
        q, k = rotate(q, rotation), rotate(k, rotation)
        if cache is not None:
            k, v = cache.extend(self.layer, k, v)
        x = x + self.attn_output(attention(q, k, v, True).transpose(1, 2).flatten(2))
        normed = self.ffn_norm(x)
        fed: Tensor = self.ffn_down(silu(self.ffn_gate(normed)) * self.ffn_up(normed))
        return x + fed


class Decoder(nn.Module):
    """The model. Calling it gives the last hidden states, from which `logits` makes scores of tokens."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.token_embd = nn.Embedding(config.vocabulary, config.width)
        self.blk = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.output_norm = nn.RMSNorm(config.width, eps=config.epsilon)
        nn.init.normal_(self.token_embd.weight, std=1 / math.sqrt(config.width))

    def forward(
        self,
        tokens: Tensor,
        attention: Attention | Sequence[Attention] = dense,
        cache: Cache | None = None,
    ) -> Tensor:
        """Reads tokens of shape (B, N), behind those that the cache holds; gives (B, N, width).

        Args:
            attention: what every layer attends by, or one a layer.
            cache: is extended by the tokens.

        Raises:
            ValueError: there are not as many attentions as layers, or the cache is full.
        """
        each = [attention] * self.config.layers if callable(attention) else list(attention)
        if len(each) != self.config.layers:
            raise ValueError(f"{len(each)} attentions for {self.config.layers} layers: give one each")
        start = 0 if cache is None else cache.length
        x: Tensor = self.token_embd(tokens)
        rotation = self.rotation(torch.arange(start, start + tokens.shape[1], device=x.device), x)
        for block, attend in zip(self.blk, each, strict=True):
            x = block(x, rotation, attend, cache)
        if cache is not None:
            cache.length += tokens.shape[1]
        normed: Tensor = self.output_norm(x)
        return normed

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of all tokens, of shape (..., vocabulary), in the weights' precision."""
        return linear(hidden, self.token_embd.weight)

    def rotation(self, positions: Tensor, like: Tensor) -> Tensor:
        """Cosines and sines of positions (N,), of shape (2, N, D/2), on the device of `like`."""
        pairs = torch.arange(0, self.config.head, 2, device=like.device, dtype=torch.float32)
        rates = self.config.rope_base ** (-pairs / self.config.head)
        angles = positions.float()[:, None] * rates
        return torch.stack([angles.cos(), angles.sin()])


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Turns each pair of neighbours of x, (..., N, D), by its position's angle; computed in float32."""
    first, second = x.float().reshape(*x.shape[:-1], -1, 2).unbind(-1)
    cosine, sine = rotation
    turned = torch.stack([first * cosine - second * sine, first * sine + second * cosine], -1)
    return turned.flatten(-2).to(x.dtype)
