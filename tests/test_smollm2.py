"""The real model: what it was trained to do, it does, so that weights, rotation and tokens are right."""

from __future__ import annotations

import pytest
import torch

from reference_models.language import reading, smollm2, texts
from reference_models.language.answers import answers
from reference_models.language.decoder import Cache, Decoder
from reference_models.language.tokens import encode, tokenizer

pytestmark = pytest.mark.skipif(
    smollm2.missing() != [], reason="SmolLM2 is not installed: make test installs it"
)


@pytest.fixture(scope="module")
def model() -> Decoder:
    return smollm2.load()


def test_its_sizes_are_the_published_ones(model: Decoder) -> None:
    assert (model.config.layers, model.config.heads, model.config.kv_heads) == (30, 9, 3)
    assert (model.config.vocabulary, model.config.context) == (49152, 8192)
    assert sum(weights.numel() for weights in model.parameters()) == pytest.approx(134.5e6, rel=0.001)


def test_tokens_give_the_text_back_and_each_digit_is_one() -> None:
    text = texts.text("python")[:3000]
    assert tokenizer().decode(encode(text)) == text
    assert len(encode("74213")) == 5


def test_it_is_not_surprised_by_prose_and_is_by_noise(model: Decoder) -> None:
    (document,) = reading.documents(192, 1)
    noise = torch.randint(49152, (192,), generator=torch.Generator().manual_seed(0)).tolist()
    prose_loss, noise_loss = (sum(row) / len(row) for row in answers(model, [document, noise])["loss"])
    assert prose_loss < 3.5
    assert noise_loss > 9


def test_it_writes_what_is_true_token_by_token(model: Decoder) -> None:
    given = torch.tensor([encode("The capital of France is")])
    cache, written = Cache(model.config, 16, model.token_embd.weight), []
    with torch.inference_mode():
        while len(written) < 3:
            given = model.logits(model(given, cache=cache)[:, -1]).argmax(-1, keepdim=True)
            written.append(int(given))
    assert tokenizer().decode(written).startswith(" Paris.")
