"""Who made the tensors that are still there: a ledger kept while steps are taken, on any device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from importlib import import_module
from typing import Any

from dsbench.backends.lines import line_here


def tensor_lines(torch: Any, call: Callable[[], Any], steps: int) -> dict[str, float]:
    """Bytes a step of tensors that outlive their step, by the line that made them.

    Every operator's outputs are written down with the line that called it; at the end those that live
    are counted, without what the first and the last step made: the one may have filled a cache, and of
    the other a program rightly keeps its newest (gradients, running means).

    Args:
        torch: the torch module.
        call: one step; what it returns is dropped.
        steps: how many steps to take, three at least.
    """
    modes = import_module("torch.utils._python_dispatch")
    storages = import_module("torch.multiprocessing.reductions")
    ledger: dict[int, tuple[int, str, int, Any]] = {}
    step = 0

    class Ledger(modes.TorchDispatchMode):  # type: ignore[misc, name-defined]  # torch is not imported before
        def __torch_dispatch__(
            self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
        ) -> Any:
            made = function(*args, **(kwargs or {}))
            for tensor in made if isinstance(made, (tuple, list)) else (made,):
                if isinstance(tensor, torch.Tensor) and tensor.layout is torch.strided:
                    storage = tensor.untyped_storage()
                    known = ledger.get(storage._cdata)
                    if known is None or known[3].expired():
                        kept = storages.StorageWeakRef(storage)
                        ledger[storage._cdata] = (step, line_here(), storage.nbytes(), kept)
            return made

    with Ledger():
        while step < steps:
            call()
            step += 1
    found: Counter[str] = Counter()
    for made_in, line, size, storage in ledger.values():
        if 0 < made_in < steps - 1 and not storage.expired():
            found[line] += size
    return {line: size / (steps - 2) for line, size in found.items()}
