"""What attention over few keys costs in quality: in a trained model, in its layers, and when trained in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dsbench.registry import Axis, benchmark, resolve

ATTENTION = "reference_models.attention"
LANGUAGE = "reference_models.language"

SMALL = {"block": 16, "keep": 0.25, "least": 2}
"""A block top-k that leaves something out of 256 characters."""


def _with(asked: str, selector: str = "", **options: Any) -> Callable[..., Mapping[str, Any]]:
    """A candidate: what is asked, of attention over the keys that a selector chooses."""

    def candidate(**inputs: Any) -> Mapping[str, Any]:
        select = resolve(f"{ATTENTION}.{selector}") if selector else None
        answers: Mapping[str, Any] = resolve(f"{LANGUAGE}.{asked}")(**inputs, select=select, **options)
        return answers

    return candidate


def _selectors(asked: str) -> dict[str, Callable[..., Mapping[str, Any]]]:
    return {
        "dense": _with(asked),
        "topk_32": _with(asked, "token_topk:select", keep=32),
        "block_topk": _with(asked, "block_topk:select"),
        "block_topk_25": _with(asked, "block_topk:select", keep=0.25),
    }


@benchmark(
    candidates=_selectors("answers:answers"),
    baseline="dense",
    axes={
        # The two texts hold seven documents of 8,192 tokens.
        "N": Axis(full=(1024, 4096, 8192), quick=(512,), limits={"cpu": (512, 1024), "mps": (512, 1024)}),
    },
    probes=("retention",),
    once=True,
)
def smollm2(N: int, device: str, seed: int) -> dict[str, Any]:
    """SmolLM2-135M reads prose and prompts of N tokens with its attention replaced in all layers."""
    del seed  # the texts are pinned
    from reference_models.language import reading, smollm2

    return {
        "model": smollm2.load(device),
        "documents": reading.documents(N, 7),
        "prompts": reading.prompts(N),
    }


@benchmark(
    candidates=_selectors("layer:quality"),
    baseline="dense",
    probes=("retention",),
    once=True,
)
def layer(device: str, seed: int) -> dict[str, Any]:
    """Three layers' queries, keys and values of SmolLM2 at 1,024 tokens, stored."""
    del seed
    from reference_models.language.layer import stored

    return {"layers": stored(device)}


@benchmark(
    candidates={
        "dense": _with("character:trained"),
        # The noise floor: the same recipe with other first weights and in another order.
        "dense_again": _with("character:trained", another=1000),
        "block_topk": _with("character:trained", "block_topk:select", **SMALL),
        "block_topk_bolted_on": _with("character:trained", "block_topk:select", learnt=False, **SMALL),
    },
    baseline="dense",
    axes={"steps": Axis(full=(600,), quick=(20,))},  # twenty only show that it works
    probes=("retention",),
)
def trained(steps: int, device: str, seed: int) -> dict[str, Any]:
    """A small model over characters, trained with sparse attention in place; every round is another seed."""
    from reference_models.language import character

    text, test, vocabulary = character.data()
    return {
        "text": text.to(device),
        "documents": character.documents(test),
        "vocabulary": vocabulary,
        "steps": steps,
        "seed": seed,
    }
