"""Steps that leak, and caches that fill: what leak detectors are held against.

Each maker gives a fresh step, with a state of its own that is dropped with it. Sizes are bytes a step.
"""

from __future__ import annotations

import ctypes
import itertools
import random
import subprocess
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

Step = Callable[[], Any]
Maker = Callable[[str, int, random.Random], Step]

NATIVE = """
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
void *take(long size) { char *p = malloc(size); memset(p, 1, size); return p; }
void *map(long size) {
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(p, 1, size);
    return p;
}
"""


@cache
def native() -> Any:
    """A library in C that takes memory by itself."""
    folder = Path(tempfile.mkdtemp())
    (folder / "native.c").write_text(NATIVE)
    subprocess.run(
        ["cc", "-O1", "-shared", "-fPIC", "-o", folder / "native.so", folder / "native.c"], check=True
    )
    library = ctypes.CDLL(str(folder / "native.so"))
    library.take.restype, library.take.argtypes = ctypes.c_void_p, (ctypes.c_long,)
    library.map.restype, library.map.argtypes = ctypes.c_void_p, (ctypes.c_long,)
    return library


def model(device: str) -> tuple[nn.Module, torch.Tensor]:
    made = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32)).to(device)
    return made, torch.randn(16, 32, device=device)


def training(device: str) -> tuple[Step, nn.Module, torch.Tensor]:
    made, x = model(device)
    optimiser = torch.optim.SGD(made.parameters(), lr=1e-3, momentum=0.9)

    def step() -> torch.Tensor:
        optimiser.zero_grad()
        loss: torch.Tensor = made(x).square().mean()
        loss.backward()
        optimiser.step()
        return loss

    return step, made, x


# --- leaks


def list_growth(device: str, size: int, draw: random.Random) -> Step:
    step, _, _ = training(device)
    kept: list[Any] = []

    def leaking() -> None:
        step()
        kept.append(torch.zeros(size // 4, device=device))

    return leaking


def python_objects(device: str, size: int, draw: random.Random) -> Step:
    step, _, _ = training(device)
    kept: list[Any] = []

    def leaking() -> None:
        step()
        kept.append([draw.random() for _ in range(size // 32)])

    return leaking


def hooks(device: str, size: int, draw: random.Random) -> Step:
    step, made, _ = training(device)

    def leaking() -> None:
        step()
        state = torch.zeros(size // 4, device=device)
        made.register_state_dict_pre_hook(lambda *_: state.add(1))

    return leaking


def closures(device: str, size: int, draw: random.Random) -> Step:
    step, _, _ = training(device)
    callbacks: list[Any] = []

    def leaking() -> None:
        step()
        text = bytes(size)
        callbacks.append(lambda: text)

    return leaking


def retained_graph(device: str, size: int, draw: random.Random) -> Step:
    weight = torch.randn(8, 8, device=device, requires_grad=True)
    x = torch.randn(max(1, size // 64), 8, device=device)
    total: list[Any] = [torch.zeros((), device=device)]

    def leaking() -> None:
        total[0] = total[0] + (x @ weight).sigmoid().mean()

    return leaking


def unbounded_cache(device: str, size: int, draw: random.Random) -> Step:
    step, _, _ = training(device)
    cached: dict[int, Any] = {}
    numbers = itertools.count()

    def leaking() -> None:
        step()
        cached[next(numbers)] = np.zeros(size, dtype=np.uint8)

    return leaking


def native_memory(device: str, size: int, draw: random.Random) -> Step:
    step, _, _ = training(device)
    library = native()

    def leaking() -> None:
        step()
        library.take(size)

    return leaking


def every_tenth(device: str, size: int, draw: random.Random) -> Step:
    step, _, _ = training(device)
    kept: list[Any] = []
    numbers = itertools.count()

    def leaking() -> None:
        step()
        if next(numbers) % 10 == 0:
            kept.append(torch.zeros(10 * size // 4, device=device))

    return leaking


def native_pages(device: str, size: int, draw: random.Random) -> Step:
    """Memory that comes from the system itself, past every allocator: whole pages."""
    step, _, _ = training(device)
    library = native()

    def leaking() -> None:
        step()
        library.map(size)

    return leaking


# --- caches


def cache_that_fills(device: str, size: int, draw: random.Random) -> Step:
    """Still half empty when a detector's few hundred steps are over."""
    step, _, _ = training(device)
    cached: dict[int, Any] = {}

    def filling() -> None:
        step()
        key = draw.randrange(1000)
        if key not in cached:
            cached[key] = torch.zeros(size // 4, device=device)

    return filling


def cache_that_is_full(device: str, size: int, draw: random.Random) -> Step:
    step, _, _ = training(device)
    cached: OrderedDict[int, Any] = OrderedDict()
    numbers = itertools.count()

    def filled() -> None:
        step()
        cached[next(numbers)] = torch.zeros(size // 4, device=device)
        if len(cached) > 20:
            cached.popitem(last=False)

    return filled


LEAKS: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (
        list_growth,
        python_objects,
        hooks,
        closures,
        retained_graph,
        unbounded_cache,
        native_memory,
        every_tenth,
        native_pages,
    )
}
CACHES: dict[str, Maker] = {maker.__name__: maker for maker in (cache_that_fills, cache_that_is_full)}
