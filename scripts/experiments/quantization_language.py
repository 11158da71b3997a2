"""What INT8 costs a trained language model: SmolLM2-135M by PTQ, and by a short QAT on pinned text.

The blocks' linear layers are rounded; the embedding, which is the output layer too, stays in float32. The
model trains on the first part of Python's reference manual, and is asked about what comes after it and
about another source, in documents of the same length. Beside QAT stands the control, float32 with the same
steps over the same text. Losses are paired by document.

The weights come from a file of 4 bits a number, so that they already lie on a grid of their own: 8 bits
round them on another one, and what is lost is lost against this model, not against the one it was made of.

What was expected before the first run: W8A8 changes perplexity by less than 1 % by PTQ alone; training,
control or QAT, changes it by more than rounding does, on the manual for the better; W2A8 is destroyed by PTQ
(ten times the perplexity and more) and not repaired by so few steps.

    python scripts/experiments/quantization_language.py --backend cuda --out docs/experiments  # five minutes
    python scripts/experiments/quantization_language.py --steps 4 --documents 2 --length 128 --out /tmp/small
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import device, write
from torch.nn.functional import cross_entropy

from dsbench.stats.bootstrap import paired
from reference_models.language import smollm2, texts
from reference_models.language.decoder import Decoder, dense
from reference_models.language.scoring import read
from reference_models.language.tokens import encode
from reference_models.quantization.convert import convert, prepare, sizes
from reference_models.quantization.rounding import Scheme

SCHEMES = (Scheme(8, 8), Scheme(4, 8), Scheme(2, 8))
RATE = 1e-5
"""The learning rate, constant: small enough not to unlearn in some dozens of steps what took trillions."""

Documents = list[list[int]]


def documents(tokens: list[int], length: int, count: int) -> Documents:
    """The first so many pieces of one length, or the end of the script."""
    if len(tokens) < length * count:
        sys.exit(f"error: {count} documents of {length} tokens are asked for, and the text has {len(tokens)}")
    return [tokens[start : start + length] for start in range(0, length * count, length)]


def train(model: Decoder, windows: Documents, steps: int, seed: int) -> Decoder:
    """The model itself after steps of a window each, in an order that follows from the seed."""
    draw = torch.Generator().manual_seed(seed)
    model.requires_grad_(True).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    for step in range(steps):
        if step % len(windows) == 0:
            order = torch.randperm(len(windows), generator=draw).tolist()
        window = torch.tensor([windows[order[step % len(windows)]]], device=model.token_embd.weight.device)
        scores = model.logits(model(window)[0, :-1])
        loss = cross_entropy(scores, window[0, 1:])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return model.requires_grad_(False).eval()


def arms_of(windows: Documents, steps: int) -> dict[str, Callable[[Decoder, int], Any]]:
    """What is made of a copy of the model and a seed, by name."""

    def ptq(scheme: Scheme, model: Decoder, seed: int) -> Any:
        del seed
        return convert(prepare(model, scheme))

    def qat(scheme: Scheme, model: Decoder, seed: int) -> Any:
        fake: Any = prepare(model, scheme)
        return convert(train(fake, windows, steps, seed))

    found: dict[str, Callable[[Decoder, int], Any]] = {
        "float32": lambda model, _: model,
        "bfloat16": lambda model, _: model.bfloat16(),
        "control": lambda model, seed: train(model, windows, steps, seed),
    }
    for scheme in SCHEMES:
        found[f"ptq {scheme}"] = partial(ptq, scheme)
        found[f"qat {scheme}"] = partial(qat, scheme)
    return found


def asked(model: Decoder, tests: Documents) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Mean loss in nats and share of next tokens guessed right, a number a document."""
    told = [(read(model, document, dense), torch.tensor(document[1:])) for document in tests]
    losses = [float(loss.mean()) for (loss, _), _ in told]
    right = [float((choice == true).double().mean()) for (_, choice), true in told]
    return np.array(losses), np.array(right)


def measure(options: argparse.Namespace, place: str) -> list[dict[str, Any]]:
    """A row an arm and source."""
    manual, other = encode(texts.text("python")), encode(texts.text("sklearn"))
    windows = documents(manual, options.length, options.windows)
    behind = manual[options.length * options.windows :]
    tests = {
        "manual": documents(behind, options.length, options.documents),
        "sklearn": documents(other, options.length, options.documents),
    }
    whole = smollm2.load(place)
    held: dict[str, dict[str, list[Any]]] = {}
    bytes_of: dict[str, dict[str, int]] = {}
    for name, arm in arms_of(windows, options.steps).items():
        seeds = options.seeds if name.startswith(("control", "qat")) else 1
        for seed in range(seeds):
            made = arm(copy.deepcopy(whole), seed)
            for source, texts_of in tests.items():
                held.setdefault(name, {}).setdefault(source, []).append(asked(made, texts_of))
            bytes_of[name] = sizes(made)
            print(f"{name}: seed {seed + 1} of {seeds}", file=sys.stderr, flush=True)
    base = bytes_of["float32"]
    return [
        row(name, source, seeds, held["float32"][source][0])
        | {
            "size_percent": 100 * bytes_of[name]["bytes"] / base["bytes"],
            "size_percent_without_embeddings": 100
            * bytes_of[name]["bytes_without_embeddings"]
            / base["bytes_without_embeddings"],
        }
        for name, sources in held.items()
        for source, seeds in sources.items()
    ]


def row(name: str, source: str, seeds: list[Any], whole: Any) -> dict[str, Any]:
    """Perplexity over that of the model as it was, and points of next-token accuracy less; averages over
    seeds for each document, intervals over documents."""
    losses, right = (np.mean([seed[index] for seed in seeds], axis=0) for index in (0, 1))
    ratio = paired([(losses - whole[0]).tolist()], lambda column: np.exp(column.mean(-1)))
    points = paired([(100 * (right - whole[1])).tolist()], lambda column: column.mean(-1))
    spread = [float(np.exp((seed[0] - whole[0]).mean())) for seed in seeds]
    return {
        "source": source,
        "arm": name,
        "perplexity": float(np.exp(losses.mean())),
        "perplexity_ratio": ratio.value,
        "low": ratio.low,
        "high": ratio.high,
        "accuracy_difference_pp": points.value,
        "accuracy_low": points.low,
        "accuracy_high": points.high,
        "documents": len(losses),
        "seeds": len(seeds),
        "smallest_of_seeds": min(spread),
        "largest_of_seeds": max(spread),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=5, help="of the arms that train")
    parser.add_argument("--length", type=int, default=512, help="tokens of a document")
    parser.add_argument("--documents", type=int, default=20, help="of each source to test on")
    parser.add_argument("--windows", type=int, default=48, help="documents to train on")
    options = parser.parse_args()
    backend = device(options.backend)
    try:
        rows = measure(options, backend.device)
    except NotImplementedError as error:
        sys.exit(f"error: {error}")
    write(rows, backend, options.out, "quantization-language")


if __name__ == "__main__":
    main()
