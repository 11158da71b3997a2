"""Rounding, its gradients, fake layers and integer ones, each against plain arithmetic."""

from __future__ import annotations

import io

import pytest
import torch
from torch import nn

from reference_models.language.decoder import Config, Decoder
from reference_models.quantization.convert import calibrate, convert, prepare, sizes
from reference_models.quantization.fake import Activations
from reference_models.quantization.integer import EXACT, by_floats, filled_up, int_matmul
from reference_models.quantization.models import build
from reference_models.quantization.rounding import Scheme, fake_quantize, largest, quantize, scale_of

SCHEMES = [Scheme(), Scheme(per="tensor"), Scheme(4, 8), Scheme(2, 8), Scheme(2, 2)]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def integers(*shape: int, seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(-128, 128, shape, dtype=torch.int8, generator=draw)


@pytest.mark.parametrize(("bits", "top"), [(8, 127), (4, 7), (2, 1)])
def test_the_largest_number_of_a_row_becomes_the_largest_integer(bits: int, top: int) -> None:
    x = normal(5, 33)
    rounded = quantize(x, scale_of(x, bits, (-1,)), bits)
    assert largest(bits) == top
    assert rounded.abs().amax(-1).tolist() == [top] * 5


@pytest.mark.parametrize("bits", [1, 9])
def test_bits_that_int8_cannot_hold_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="2 to 8 bits"):
        largest(bits)


def test_rounding_errs_by_half_a_step_at_most_and_keeps_zero() -> None:
    x = normal(4, 100)
    x[0] = 0.0
    scale = scale_of(x, 8, (-1,))
    error = (fake_quantize(x, scale, 8) - x).abs()
    assert bool((error <= scale / 2 * (1 + 1e-6)).all())
    assert float(error[0].max()) == 0.0


def test_fake_rounding_gives_the_integers_times_their_scale() -> None:
    x = normal(4, 100)
    scale = scale_of(x, 4, (-1,))
    assert torch.equal(fake_quantize(x, scale, 4), quantize(x, scale, 4) * scale)


def test_gradients_pass_rounding_and_stop_where_a_number_is_cut_off() -> None:
    x = torch.tensor([-3.0, -0.6, 0.2, 0.9, 5.0], requires_grad=True)
    fake_quantize(x, torch.tensor(1.0 / 127), 8).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize(("m", "k", "n"), [(1, 8, 8), (17, 64, 32), (3, 1030, 5)])
def test_integer_products_are_exact_by_every_path(m: int, k: int, n: int) -> None:
    left, right = integers(m, k), integers(n, k, seed=1).t()
    exact = left.long() @ right.long()
    assert torch.equal(int_matmul(left, right).long(), exact)
    assert torch.equal(by_floats(left, right).long(), exact)
    filled = filled_up(left, right)
    assert torch.equal((filled[0].long() @ filled[1].long())[:m, :n], exact)


def test_integer_products_do_not_saturate_at_the_ends_of_the_range() -> None:
    for low in (-128, -127, 127):
        left = torch.full((2, EXACT), low, dtype=torch.int8)
        right = torch.full((8, EXACT), -128, dtype=torch.int8).t()
        assert int_matmul(left, right).unique().tolist() == [low * -128 * EXACT]
        assert by_floats(left, right).unique().tolist() == [low * -128 * EXACT]


@pytest.mark.parametrize(("m", "k", "n"), [(1, 7, 3), (16, 8, 8), (17, 9, 64), (512, 1024, 1024)])
def test_operands_are_filled_up_to_what_cuda_takes_and_no_further(m: int, k: int, n: int) -> None:
    left, right = filled_up(integers(m, k), integers(n, k).t())
    assert left.shape[0] == (m if m > 16 else 32)
    assert left.shape[1] == right.shape[0] == -(-k // 8) * 8
    assert right.shape[1] == -(-n // 8) * 8
    assert right.t().is_contiguous()


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(31, 9), (2, 7, 31)),
        (nn.Linear(16, 8, bias=False), (1, 16)),
        (nn.Conv2d(3, 5, 3, padding=1), (4, 3, 8, 8)),
        (nn.Conv2d(2, 4, (2, 3), stride=(2, 1), padding=(0, 2), bias=False), (3, 2, 6, 5)),
    ],
    ids=["linear", "no-bias", "conv", "odd-conv"],
)
def test_an_integer_layer_gives_what_the_fake_one_promises(
    layer: nn.Module, shape: tuple[int, ...], scheme: Scheme
) -> None:
    x = normal(*shape, seed=2)
    fake = prepare(layer, scheme).eval()
    if scheme.per == "tensor":
        calibrate(fake, [x])
    with torch.no_grad():
        promised, kept, exact = fake(x), convert(fake)(x), layer(x)
    assert kept.shape == exact.shape
    assert kept.dtype == x.dtype
    assert float((kept - promised).norm() / promised.norm()) < 1e-6
    assert float((kept - exact).norm() / exact.norm()) > 1e-3


@pytest.mark.parametrize("name", ["mlp", "cnn", "transformer"])
def test_fewer_bits_move_a_models_answer_further(name: str) -> None:
    model, images = build(name, seed=1), normal(40, 64).abs()
    with torch.no_grad():
        exact = model(images)
        errors = [
            float((convert(prepare(model, scheme))(images) - exact).norm() / exact.norm())
            for scheme in (Scheme(8, 8), Scheme(4, 8), Scheme(2, 8))
        ]
    assert 1e-3 < errors[0] < 0.03 < errors[1] < 0.3 < errors[2]


def test_a_conversion_leaves_the_model_as_it_was_and_shares_no_memory_with_it() -> None:
    model = build("cnn", seed=1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    small = convert(prepare(model, Scheme()))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    taken = {tensor.untyped_storage().data_ptr() for tensor in model.state_dict().values()}
    assert not taken & {tensor.untyped_storage().data_ptr() for tensor in small.state_dict().values()}


def test_an_activation_without_a_calibrated_bound_says_what_to_do() -> None:
    fake = prepare(build("mlp", seed=0), Scheme(per="tensor"))
    with pytest.raises(RuntimeError, match="call `calibrate`"):
        fake.eval()(normal(2, 64))
    with pytest.raises(RuntimeError, match="call `calibrate`"):
        convert(fake)


def test_a_calibrated_bound_is_the_largest_seen_and_training_moves_it_slowly() -> None:
    layer = Activations(Scheme(per="tensor"), (-1,)).train()
    calibrate(layer, [torch.tensor([0.5, -2.0]), torch.tensor([1.0])])
    assert float(layer.bound) == 2.0
    assert layer.training
    layer(torch.tensor([3.0]))
    assert float(layer.bound) == pytest.approx(2.01)
    layer.eval()(torch.tensor([9.0]))
    assert float(layer.bound) == pytest.approx(2.01)


def test_a_model_without_a_layer_to_replace_is_refused() -> None:
    with pytest.raises(ValueError, match="no layer"):
        prepare(nn.Sequential(nn.ReLU()), Scheme())


@pytest.mark.parametrize("options", [{"groups": 2}, {"dilation": 2}, {"padding": "same"}])
def test_a_convolution_that_cannot_be_converted_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="only convolutions without"):
        prepare(nn.Sequential(nn.Conv2d(4, 4, 3, **options)), Scheme())  # type: ignore[arg-type]


def test_sizes_are_those_of_the_saved_file_with_embeddings_and_without() -> None:
    model = nn.Sequential(nn.Embedding(1000, 16), nn.Linear(16, 16))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    found = sizes(model)
    assert found["bytes"] == len(file.getvalue())
    assert 0 < found["bytes"] - found["bytes_without_embeddings"] - 64_000 < 1_000


def test_a_wide_block_shrinks_to_a_quarter() -> None:
    wide = nn.Linear(1024, 1024)
    ratio = sizes(convert(prepare(wide, Scheme())))["bytes"] / sizes(wide)["bytes"]
    assert 0.25 < ratio < 0.2525


def test_a_decoder_is_rounded_but_for_its_embedding() -> None:
    config = Config(vocabulary=500, width=32, hidden=64, layers=2, heads=4, kv_heads=2, context=64)
    torch.default_generator.manual_seed(0)
    model = Decoder(config)
    tokens = torch.arange(20)[None]
    small = convert(prepare(model, Scheme()))
    with torch.no_grad():
        exact, rounded = model.logits(model(tokens)), small.logits(small(tokens))  # type: ignore[operator]
    assert 1e-4 < float((rounded - exact).norm() / exact.norm()) < 0.02
    assert torch.equal(small.get_parameter("token_embd.weight"), model.token_embd.weight)
    kinds = {type(part).__name__ for part in small.modules()}
    assert "IntegerLinear" in kinds
    assert not {"Linear", "FakeLinear"} & kinds
    whole, left = sizes(model), sizes(small)
    assert left["bytes"] - left["bytes_without_embeddings"] == pytest.approx(500 * 32 * 4, rel=0.05)
    assert left["bytes_without_embeddings"] < 0.5 * whole["bytes_without_embeddings"]
