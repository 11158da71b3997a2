"""SmolLM2's tokens, from the vocabulary in the model's own file: byte-level pairs (Sennrich et al., "Neural
Machine Translation of Rare Words with Subword Units", ACL 2016), each digit a token of its own."""

from __future__ import annotations

from functools import cache
from typing import Any

from reference_models.language.smollm2 import contents


@cache
def tokenizer() -> Any:
    """A `tokenizers.Tokenizer`: ``encode(text).ids`` and ``decode(ids)``.

    Raises:
        NotImplementedError: the model is not installed; the message says how to.
    """
    fields = contents().fields
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {token: number for number, token in enumerate(fields["tokenizer.ggml.tokens"].contents())}
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"].contents()]
    found = Tokenizer(models.BPE(vocabulary, merges))
    found.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    found.decoder = decoders.ByteLevel()
    return found


def encode(text: str) -> list[int]:
    """The tokens of a text, without marks of its begin or end."""
    found: list[int] = tokenizer().encode(text).ids
    return found
