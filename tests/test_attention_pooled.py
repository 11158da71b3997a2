"""A row of queries whose choice each of its queries has a say in."""

from __future__ import annotations

import math

import pytest
import torch

from reference_models.attention import block_topk, pooled
from reference_models.attention.inputs import qkv
from reference_models.attention.ranking import Budget

BUDGET = Budget(keep=0, least=3)


def needle() -> tuple[torch.Tensor, torch.Tensor]:
    """128 keys that are alike for all queries but one, which looks for four keys of the fourth block of 16,
    when its row's other queries look for what every other block has."""
    draw = torch.Generator().manual_seed(0)
    q, k = 0.1 * torch.randn(2, 1, 1, 128, 16, generator=draw)
    q[..., 0] += 4
    k[..., 0] += 1
    k[:, :, 48:64, 0] -= 1
    q[0, 0, 120, :2] = torch.tensor([0.0, 30.0])
    k[0, 0, 52:56, 1] += 8
    return q, k


def test_the_one_query_that_needs_a_far_block_gets_it_where_an_average_drowns_it() -> None:
    q, k = needle()
    found = pooled.select(q, k, True, block=16, rows=16, budget=BUDGET, part=4)
    averaged = block_topk.select(q, k, True, block=16, rows=16, budget=BUDGET)
    assert 3 in found.indices[0, 0, 7].tolist()
    assert 3 not in averaged.indices[0, 0, 7].tolist()


@pytest.mark.parametrize("part", [2, 8])
@pytest.mark.parametrize("causal", [True, False])
def test_a_block_ranks_by_the_largest_share_that_a_query_of_the_row_gives_it(part: int, causal: bool) -> None:
    inputs = qkv(40, 32, "float32", "cpu", 3, heads=2)
    q, k = inputs["q"], inputs["k"][:, :1]
    budget = Budget(keep=0, least=2, sinks=0, local=0)
    found = pooled.select(q, k, causal, block=8, rows=8, budget=budget, part=part)
    for head in range(2):
        for row in range(5):
            best = torch.zeros(5)
            for query in range(8 * row, 8 * row + 8):
                scores = q[0, head, query] @ k[0, 0].view(-1, part, 32).mean(1).T / math.sqrt(32)
                if causal:
                    scores = scores[: query // part + 1]
                shares = scores.softmax(-1)
                for number, share in enumerate(shares):
                    together = sum(s for n, s in enumerate(shares) if n * part // 8 == number * part // 8)
                    assert together >= share
                    best[number * part // 8] = max(best[number * part // 8], float(together))
            kept = found.indices[0, head, row][found.valid[0, head, row]]
            assert set(kept.tolist()) == set(best.topk(min(2, row + 1) if causal else 2).indices.tolist())


def test_parts_that_do_not_divide_a_block_are_refused() -> None:
    q, k = needle()
    with pytest.raises(ValueError, match="parts of 5 keys do not divide blocks of 16"):
        pooled.select(q, k, True, block=16, part=5)
