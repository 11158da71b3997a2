"""A row of queries whose choice some of its queries make, by what they attend to."""

from __future__ import annotations

import math

import pytest
import torch

from reference_models.attention import mass, sampled
from reference_models.attention.asked import Asked
from reference_models.attention.inputs import qkv
from reference_models.attention.ranking import Budget

MOST = Budget(keep=1, least=1, sinks=0, local=0)


def drawn(N: int = 70) -> tuple[torch.Tensor, torch.Tensor]:
    inputs = qkv(N, 32, "float32", "cpu", 3, heads=2)
    return inputs["q"], inputs["k"][:, :1]


@pytest.mark.parametrize("every", [2, 4])
@pytest.mark.parametrize("causal", [True, False])
def test_blocks_share_what_the_last_of_every_few_queries_attends_to(every: int, causal: bool) -> None:
    q, k = drawn()
    found = sampled.shares(Asked(q, k, causal, 8, 8, MOST), every)
    for head in range(2):
        for row in range(9):
            best = torch.zeros(9)
            for voter in range(8 * row + every - 1, 8 * row + 8, every):
                query = min(voter, 69)  # the last of all votes for what is left
                scores = k[0, 0] @ q[0, head, query] / math.sqrt(32)
                weights = (scores[: query + 1] if causal else scores).softmax(-1)
                parts = torch.stack([part.sum() for part in weights.split(8)])
                best[: len(parts)] = best[: len(parts)].maximum(parts)
            torch.testing.assert_close(found[0, head, row], best / best.sum())


def test_no_more_blocks_are_kept_than_hold_the_share() -> None:
    q, k = drawn()
    asked = Asked(q, k, True, 8, 8, MOST)
    shares = sampled.shares(asked, 4)
    few, more = (sampled.select(q, k, True, 8, 8, MOST, every=4, gamma=gamma) for gamma in (0.8, 0.99))
    for selection, gamma in ((few, 0.8), (more, 0.99)):
        held = shares.gather(-1, selection.indices) * selection.valid
        assert float(held.sum(-1).min()) >= gamma - 1e-6
        least = held.masked_fill(~selection.valid, math.inf).amin(-1)
        assert float((held.sum(-1) - least).max()) < gamma
    assert int(few.valid.sum()) < int(more.valid.sum())


def test_when_every_query_votes_the_best_block_is_one_that_a_query_gives_most() -> None:
    q, k = drawn(64)
    one = Budget(keep=0, least=1, sinks=0, local=0)
    by_query = mass.select(q, k, True, block=8, rows=1, budget=one).indices.view(1, 2, 8, 8)
    found = sampled.select(q, k, True, 8, 8, one, every=1).indices
    assert bool((by_query == found).any(-1).all())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 3}, "every=3: voters must divide rows of 8"),
        ({"every": 0}, "every=0: voters must divide rows of 8"),
        ({"gamma": 0.0}, "gamma=0.0: the share"),
        ({"gamma": 1.5}, "gamma=1.5: the share"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sampled.select(*drawn(), True, 8, 8, **options)
