"""All that is asked of a decoder whose attention was replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from reference_models.language.decoder import Attention, Decoder
from reference_models.language.passkey import Prompt
from reference_models.language.scoring import read
from reference_models.language.sparse import Select, Sparse


def answers(
    model: Decoder,
    documents: Sequence[Sequence[int]],
    prompts: Sequence[Prompt] = (),
    *,
    select: Select | None = None,
    rest: int | None = None,
    dense_layers: int = 0,
    **options: Any,
) -> Mapping[str, Any]:
    """Reads every document and prompt once, with the true tokens as what came before.

    Args:
        documents: texts in tokens, all of the same length.
        prompts: with a number hidden in them.
        select: chooses the keys; all of them when it is None.
        rest: see `Sparse`.
        dense_layers: so many layers, from the first, keep all keys.
        options: given to `select`.

    Returns:
        What retention is computed from: ``loss`` in nats, ``choice`` and ``target``, each of (documents,
        positions); ``retrieved``, whether a digit of the hidden number was held the most likely, of
        (prompts, digits), where there are prompts; ``keys``, the share of keys kept over all layers.
    """
    everything, sparse = Sparse(None), Sparse(select, rest, **options)
    attention = [everything] * dense_layers + [sparse] * (model.config.layers - dense_layers)
    read_all = [read(model, document, attention) for document in documents]
    found: dict[str, Any] = {
        "loss": [loss.tolist() for loss, _ in read_all],
        "choice": [choice.tolist() for _, choice in read_all],
        "target": [list(document[1:]) for document in documents],
        "keys": [(dense_layers + (model.config.layers - dense_layers) * sparse.kept) / model.config.layers],
    }
    if prompts:
        found["retrieved"] = [_retrieved(model, prompt, attention) for prompt in prompts]
    return found


def _retrieved(model: Decoder, prompt: Prompt, attention: Sequence[Attention]) -> list[bool]:
    number = torch.tensor(prompt.tokens[-prompt.digits :])
    right: list[bool] = (read(model, prompt.tokens, attention)[1][-prompt.digits :] == number).tolist()
    return right
