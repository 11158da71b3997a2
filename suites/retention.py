"""What attention over few keys costs in quality: in a trained model, in its layers, and when trained in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from dsbench.registry import Axis, Candidate, benchmark, resolve

LANGUAGE = "reference_models.language"

QUARTER = {"keep": 0.25, "least": 4}
"""A quarter of the keys that a query can see, for all methods alike."""

SMALL = {"block": 16, "rows": 16, "keep": 0.25, "least": 2}
"""A block top-k that leaves something out of 256 characters."""


def _of(method: str, **budget: Any) -> Callable[[], Callable[..., Any]]:
    """A sparse method's choice of keys, at a budget."""
    return lambda: resolve(f"{LANGUAGE}.sparse:budgeted")(method, **budget)


def _article() -> Callable[..., Any]:
    """The article's choice: the 32 keys with the highest scores."""
    return partial(resolve("reference_models.attention.token_topk:select"), keep=32)


def _asked(
    what: str, chooses: Callable[[], Callable[..., Any]] | None = None, quick: bool = False, **options: Any
) -> Candidate:
    """A candidate: what is asked, of attention over the keys that are chosen, all of them by default."""

    def candidate(**inputs: Any) -> Mapping[str, Any]:
        select = chooses() if chooses else None
        answers: Mapping[str, Any] = resolve(f"{LANGUAGE}.{what}")(**inputs, select=select, **options)
        return answers

    return Candidate(candidate, quick=quick)


def _methods(what: str, quick: bool) -> dict[str, Candidate]:
    return {
        "dense": _asked(what, quick=quick),
        "topk_32": _asked(what, _article),
        "block_topk": _asked(what, _of("block_topk", **QUARTER), quick=quick),
        "block_topk_eighth": _asked(what, _of("block_topk", keep=0.125, least=2)),
        "pooled": _asked(what, _of("pooled", **QUARTER)),
        "sampled": _asked(what, _of("sampled")),  # as many as the attention needs
        "moba": _asked(what, _of("moba", **QUARTER)),
        "nsa": _asked(what, _of("nsa", **QUARTER)),
        "quest": _asked(what, _of("quest", **QUARTER)),
        "dsa": _asked(what, _of("dsa", keep=0.25, least=256)),  # single keys, as many as four blocks
        "top_p": _asked(what, _of("top_p", **QUARTER)),
        "window": _asked(what, _of("window", **QUARTER), quick=quick),
        # The oracle of blocks of 64: what it loses is lost to their size.
        "mass": _asked(what, _of("mass", **QUARTER)),
    }


@benchmark(
    candidates=_methods("answers:answers", quick=False),  # the model takes most of a minute of two cores
    baseline="dense",
    axes={
        # The two texts hold seven documents of 8,192 tokens.
        "N": Axis(full=(1024, 4096, 8192), limits={"cpu": (1024,), "mps": (1024,)}),
        "documents": (7,),
    },
    probes=("retention",),
    once=True,
)
def smollm2(N: int, documents: int, device: str, seed: int) -> dict[str, Any]:
    """SmolLM2-135M reads prose and prompts of N tokens with its attention replaced in all layers."""
    del seed  # the texts are pinned
    from reference_models.language import reading, smollm2

    return {
        "model": smollm2.load(device),
        "documents": reading.documents(N, documents),
        "prompts": reading.prompts(N),
    }


@benchmark(
    candidates=_methods("layer:quality", quick=True),
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
        "dense": _asked("character:trained"),
        # The noise floor: the same recipe with other first weights and in another order.
        "dense_again": _asked("character:trained", another=1000),
        "block_topk": _asked("character:trained", _of("block_topk", **SMALL)),
        "block_topk_bolted_on": _asked("character:trained", _of("block_topk", **SMALL), learnt=False),
        "window": _asked("character:trained", _of("window", **SMALL)),
    },
    baseline="dense",
    axes={"steps": (600,)},
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
