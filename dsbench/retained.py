"""What the samples of the probe `retention` amount to: how much of the baseline is kept.

An item is a document or a prompt that baseline and candidate both read, so that what makes one item harder
than another cancels. In one round the interval is over items; over several rounds, each of which is a model
trained anew, it is over rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dsbench.records import Measurement, Sample
from dsbench.stats.bootstrap import paired
from dsbench.stats.intervals import Estimate, of_rounds

Formula = Callable[[Measurement, tuple[Sample, ...]], Estimate | None]


def over_items(statistic: Callable[..., Any], *others: str) -> Formula:
    """The formula of a statistic that takes the reading's values by item, then those of `others`."""

    def formula(measurement: Measurement, samples: tuple[Sample, ...]) -> Estimate:
        columns = [samples, *(measurement.readings[name] for name in others)]
        rounds: dict[int, list[list[float]]] = {}
        for number in sorted({sample.round for sample in samples}):
            rounds[number] = [[s.value for s in column if s.round == number] for column in columns]
        if len(rounds) == 1:
            return paired(next(iter(rounds.values())), statistic)
        return of_rounds([[float(statistic(*np.array(items)))] for items in rounds.values()])

    return formula


def _mean(values: Any) -> Any:
    return values.mean(-1)


def _perplexity(added: Any) -> Any:
    return np.exp(added.mean(-1))


def _share(right: Any, baseline: Any) -> Any:
    return right.sum(-1) / np.maximum(baseline.sum(-1), np.finfo(float).tiny)


def _row(name: str, unit: str, better: str, reading: str, formula: Formula, meaning: str) -> dict[str, Any]:
    return {
        "name": name,
        "unit": unit,
        "direction": better,
        "reading": reading,
        "formula": formula,
        "meaning": meaning,
        # Deterministic on one machine; between two, a near tie falls the other way here and there.
        "tolerance": 0.005,
    }


def _rows(suffix: str, where: str) -> tuple[dict[str, Any], ...]:
    right, baseline = f"right{suffix}", f"right_baseline{suffix}"
    return (
        _row(
            f"perplexity_ratio{suffix}",
            "×",
            "lower",
            f"loss_added{suffix}",
            over_items(_perplexity),
            f"perplexity over the baseline's{where}",
        ),
        _row(
            f"accuracy_kept{suffix}",
            "%",
            "higher",
            right,
            over_items(_share, baseline),
            f"right answers over the baseline's{where}",
        ),
        _row(
            f"greedy_agreement{suffix}",
            "%",
            "higher",
            f"agreement{suffix}",
            over_items(_mean),
            f"share of places where the likeliest answer is the baseline's{where}",
        ),
    )


RETENTION = (
    *_rows("", ""),
    *_rows("_late", ", in the second half of each document"),
    _row("passkey", "%", "higher", "passkey", over_items(_mean), "digits right of numbers hidden in prompts"),
    _row(
        "passkey_worst",
        "%",
        "higher",
        "passkey",
        lambda _, samples: Estimate(min(sample.value for sample in samples)),
        "digits right of the hidden number that is read worst, over all depths",
    ),
    _row(
        "keys_kept",
        "%",
        "lower",
        "keys",
        over_items(_mean),
        "pairs of a query and a key that are kept, of those that can be seen",
    ),
    _row(
        "kept_mass",
        "%",
        "higher",
        "mass",
        over_items(_mean),
        "softmax mass of a layer's attention on the keys that are kept",
    ),
    _row(
        "selection_recall",
        "%",
        "higher",
        "recall",
        over_items(_mean),
        "of the 32 keys with the largest weights, the share that is kept",
    ),
    _row(
        "output_error",
        "1",
        "lower",
        "output_error",
        over_items(_mean),
        "distance of a layer's output to dense attention's, relative to its norm",
    ),
)
"""The metrics of the probe `retention`, but for the probe's name."""
