"""Three small classifiers of images of 8x8 pixels, as one builds them without thinking of quantisation."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention

SIDE, CLASSES = 8, 10


def build(name: str, seed: int) -> nn.Module:
    """A fresh model by name: ``mlp``, ``cnn`` or ``transformer``; its weights follow from the seed.

    It takes images of shape (B, 64), numbers from 0 to 1, and gives logits of shape (B, 10).

    Raises:
        ValueError: there is no such model.
    """
    makers = {"mlp": mlp, "cnn": cnn, "transformer": Transformer}
    if name not in makers:
        raise ValueError(f"no model '{name}': known are {', '.join(makers)}")
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(seed)
        made: nn.Module = makers[name]()
    return made


def mlp() -> nn.Module:
    """Two hidden layers of 256."""
    return nn.Sequential(
        nn.Linear(SIDE**2, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, CLASSES)
    )


def cnn() -> nn.Module:
    """Three convolutions of 3x3, the second with stride 2, and a linear layer over what they leave."""
    return nn.Sequential(
        nn.Unflatten(1, (1, SIDE, SIDE)),
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * (SIDE // 2) ** 2, CLASSES),
    )


class Transformer(nn.Module):
    """Two blocks of width 64 with four heads, over the image's rows as tokens."""

    def __init__(self, width: int = 64, heads: int = 4, blocks: int = 2) -> None:
        super().__init__()
        self.embed = nn.Linear(SIDE, width)
        self.positions = nn.Embedding(SIDE, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.embed(images.reshape(-1, SIDE, SIDE)) + self.positions.weight
        out: torch.Tensor = self.head(self.norm(self.blocks(tokens)).mean(1))
        return out


class Block(nn.Module):
    """Attention and a hidden layer, each behind a norm and beside a shortcut (Vaswani et al., NeurIPS 2017;
    norms first as in Xiong et al., "On Layer Normalization in the Transformer Architecture", ICML 2020)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        heads = self.qkv(self.before(x)).reshape(batch, length, 3, self.heads, width // self.heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        x = x + self.out(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        down: torch.Tensor = self.down(gelu(self.up(self.between(x))))
        return x + down
