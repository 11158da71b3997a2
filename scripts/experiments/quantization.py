"""Does INT8 keep a model at a quarter of the size for less than a point of accuracy?

Three small models are trained on handwritten digits in float32, a model a seed; then each arm of
`reference_models/quantization/arms.py` gets the same one, at several widths, by PTQ and by QAT, by the
code of this project and by torchao. Beside them stands the control: float32 with the same further steps.
Differences are taken item by item and seed by seed, against the model as it was and against the control.

What was expected before the first run: W8A8 loses nothing that 899 items can show, with or without
training; what QAT seems to gain, the control gains too; W2A8 loses more than five points by PTQ and less
than one by QAT (a difference that has to show, or the experiment could not have found any); the file is a
quarter of the size for wide layers, and 26 to 32 % for models as small as these.

    python scripts/experiments/quantization.py --out docs/experiments     # some ten minutes of one core
"""

from __future__ import annotations

import argparse
import math
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from measuring import device, write

from dsbench.stats.crossed import items_needed, of_crossed
from reference_models.quantization import arms, with_torchao
from reference_models.quantization.convert import convert, prepare, sizes
from reference_models.quantization.models import Block
from reference_models.quantization.rounding import Scheme

sys.path.append(str(Path(__file__).parents[2] / "suites"))
from _digits import task

SCHEMES = (Scheme(8, 8), Scheme(8, 8, "tensor"), Scheme(4, 8), Scheme(4, 4), Scheme(2, 8), Scheme(2, 2))
POINT = 0.01
"""The accuracy that may be lost by the claim."""


def arms_of() -> dict[str, Any]:
    """Every arm by name."""
    found: dict[str, Any] = {"float32": arms.float32, "bfloat16": arms.bfloat16, "control": arms.control}
    for scheme in SCHEMES:
        found[f"ptq {scheme}"] = partial(arms.ptq, scheme=scheme)
        found[f"qat {scheme}"] = partial(arms.qat, scheme=scheme)
    return {**found, "torchao ptq w8a8": with_torchao.ptq, "torchao qat w8a8": with_torchao.qat}


def sqnr(given: dict[str, Any], scheme: Scheme) -> float:
    """Power of a model's logits over that of what PTQ changes in them, in decibels."""
    images, _ = given["test"]
    with torch.no_grad():
        exact = given["model"](images)
        error = convert(arms.calibrated(given["model"], given["train"], scheme))(images) - exact
    return float(10 * torch.log10(exact.square().sum() / error.square().sum()))


def measure(model: str, seeds: int, place: str) -> list[dict[str, Any]]:
    """A row an arm."""
    answers: dict[str, list[list[float]]] = {}
    bytes_of: dict[str, dict[str, int]] = {}
    noise: dict[str, list[float]] = {}
    for seed in range(seeds):
        given = task(model, place, seed)
        for name, arm in arms_of().items():
            found = arm(**given)
            answers.setdefault(name, []).append(found["correct"].double().tolist())
            bytes_of[name] = {key: size for key, size in found.items() if key != "correct"}
        for scheme in SCHEMES:
            noise.setdefault(f"ptq {scheme}", []).append(sqnr(given, scheme))
        print(f"{model}: seed {seed + 1} of {seeds}", file=sys.stderr, flush=True)
    return [row(model, name, answers, bytes_of, noise.get(name, [])) for name in answers]


def row(
    model: str,
    name: str,
    answers: dict[str, list[list[float]]],
    bytes_of: dict[str, dict[str, int]],
    noise: list[float],
) -> dict[str, Any]:
    """What an arm's answers say, in percentage points of accuracy."""
    accuracy = of_crossed(answers[name], (0.0, 1.0))
    lost, against = (differences(answers[name], answers[other]) for other in ("float32", "control"))
    change, to_control = (of_crossed(side, (-1.0, 1.0)) for side in (lost, against))
    assert change.low is not None  # an interval over items is always there
    assert change.high is not None
    decided = "yes" if change.low > -POINT else "no" if change.high < -POINT else "cannot tell"
    own, base = bytes_of[name], bytes_of["float32"]
    return {
        "model": model,
        "arm": name,
        "accuracy_percent": 100 * accuracy.value,
        "difference_pp": 100 * change.value,
        "low": 100 * change.low,
        "high": 100 * change.high,
        "to_control_pp": 100 * to_control.value,
        "to_control_low": 100 * (to_control.low or 0.0),
        "to_control_high": 100 * (to_control.high or 0.0),
        "loses_less_than_a_point": decided,
        "discordant_percent": 100 * sum(abs(item) for seed in lost for item in seed) / sum(map(len, lost)),
        "items": len(lost[0]),
        "items_to_decide": items_needed(lost, POINT),
        "seeds": len(lost),
        "size_percent": 100 * own["bytes"] / base["bytes"],
        "size_percent_without_embeddings": 100
        * own["bytes_without_embeddings"]
        / base["bytes_without_embeddings"],
        "sqnr_db": sum(noise) / len(noise) if noise else "",
    }


def differences(mine: list[list[float]], others: list[list[float]]) -> list[list[float]]:
    """1 where the first side alone is right, −1 where the other is, a row a seed."""
    return [[a - b for a, b in zip(*pair, strict=True)] for pair in zip(mine, others, strict=True)]


def sizes_by_width() -> list[dict[str, Any]]:
    """How much of a transformer block's file is left at 8 bits, which no training changes."""
    rows = []
    for width in (64, 256, 1024):
        block = Block(width, heads=width // 16)
        whole, small = (sizes(made)["bytes"] for made in (block, convert(prepare(block, Scheme()))))
        rows.append({"width": width, "float32": whole, "int8": small, "size_percent": 100 * small / whole})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=["mlp", "cnn", "transformer"])
    options = parser.parse_args()
    backend = device(options.backend)
    rows = [row for model in options.models for row in measure(model, options.seeds, backend.device)]
    write(rows, backend, options.out, "quantization")
    write(sizes_by_width(), backend, options.out, "quantization-sizes")
    assert all(math.isfinite(row["difference_pp"]) for row in rows)


if __name__ == "__main__":
    main()
