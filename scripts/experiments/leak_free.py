"""Steps that neither leak nor fill a cache: what leak detectors must not be alarmed by."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from leak_cases import Maker, Step, model, training
from torch import nn


def clean_sgd(device: str, size: int, draw: random.Random) -> Step:
    return training(device)[0]


def clean_adam(device: str, size: int, draw: random.Random) -> Step:
    made, x = model(device)
    optimiser = torch.optim.Adam(made.parameters())

    def step() -> None:
        optimiser.zero_grad()
        made(x).square().mean().backward()
        optimiser.step()

    return step


def clean_inference(device: str, size: int, draw: random.Random) -> Step:
    made, x = model(device)

    def step() -> torch.Tensor:
        with torch.no_grad():
            answer: torch.Tensor = made(x)
        return answer

    return step


def clean_lengths(device: str, size: int, draw: random.Random) -> Step:
    made, _ = model(device)

    def step() -> None:
        x = torch.randn(draw.randrange(1, 512), 32, device=device)
        made(x).square().mean().backward()
        made.zero_grad()

    return step


def clean_garbage(device: str, size: int, draw: random.Random) -> Step:
    step, _, _ = training(device)

    def cyclic() -> None:
        loop: list[Any] = [step().detach(), bytes(size)]
        loop.append(loop)

    return cyclic


def clean_text(device: str, size: int, draw: random.Random) -> Step:
    step, _, _ = training(device)
    lines: list[str] = []

    def logs() -> None:
        lines.append(f"{draw.random()}: loss {step().item():.6f}")
        del lines[:-10]

    return logs


def clean_arrays(device: str, size: int, draw: random.Random) -> Step:
    state = np.zeros(1000)

    def step() -> None:
        taken = np.random.default_rng(draw.randrange(1000)).random(draw.randrange(1, 5000))
        state[: min(1000, len(taken))] += taken[:1000]

    return step


def clean_attention(device: str, size: int, draw: random.Random) -> Step:
    q = torch.randn(1, 4, 64, 16, device=device, requires_grad=True)

    def step() -> None:
        nn.functional.scaled_dot_product_attention(q, q, q).mean().backward()
        q.grad = None

    return step


def clean_files(device: str, size: int, draw: random.Random) -> Step:
    folder = tempfile.mkdtemp()

    def step() -> None:
        path = Path(folder) / "loss.txt"
        path.write_text(f"{draw.random()}\n")
        path.read_text()

    return step


def clean_window(device: str, size: int, draw: random.Random) -> Step:
    """The newest hundred losses are kept, as training loops do for a running mean."""
    step, _, _ = training(device)
    newest: list[float] = []

    def windowed() -> None:
        newest.append(step().item())
        del newest[:-100]

    return windowed


CLEAN: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (
        clean_sgd,
        clean_adam,
        clean_inference,
        clean_lengths,
        clean_garbage,
        clean_text,
        clean_arrays,
        clean_attention,
        clean_files,
        clean_window,
    )
}
