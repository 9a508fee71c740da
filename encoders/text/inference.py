"""Fast embedding of many texts: packed batches, and the number formats that the hardware supports.

Owns    the map (backbone, tokens or texts, precision) -> vectors.
Leaves  the backbone itself to `backbone`, the use of the vectors to `intent`, and storing them to `embedding_cache`.
Axes    n texts, t tokens, w the backbone's width.

Texts are packed: several share a row of 32 tokens (more for a longer text), and an attention mask separates them, so
there is almost no padding. Customers' messages have about 12 tokens. Torch's attention kernel on CPUs works in blocks
of 32 and needs more than twice the time for the same tokens in rows of 12.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from flashsale_env.encoders.devices import cpu_capabilities
from flashsale_env.encoders.text import normalisation
from flashsale_env.encoders.text.backbone import MAX_TOKENS, Backbone
from flashsale_env.encoders.text.embedding_cache import EmbeddingCache
from flashsale_env.errors import unknown_name

__all__ = ["PRECISIONS", "Reader", "available_precisions", "fastest_precision", "pool_all"]

PRECISIONS = ("auto", "fp32", "bf16", "int8")
BLOCK = 32  # tokens a row, the width of the query blocks of torch's CPU attention kernel
# Activations of 2,048 tokens fit in the cache: 10 to 20 % faster than 8,192 on a CPU with 2 MB of L2.
BATCH_TOKENS = {"cpu": 2048}
BATCH_TOKENS_GPU = 65_536
CHUNK = 4096  # texts tokenised at a time; bounds the memory of the tokenizer's output

Progress = Callable[[int], None]  # called with the number of texts just done


def available_precisions(device: torch.device | str = "cpu") -> tuple[str, ...]:
    """Formats that are faster than fp32 on this hardware, and fp32: bf16 with AMX (or on a GPU that supports it), int8
    with AMX or AVX-512 VNNI.

    With AVX-512 BF16 but no AMX, bf16 was 20 % slower than fp32; without both, three times slower.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return ("fp32", "bf16") if torch.cuda.is_bf16_supported(including_emulation=False) else ("fp32",)
    if device.type != "cpu":
        return ("fp32",)
    found = cpu_capabilities()
    bf16 = ("bf16",) if found.get("amx_bf16") else ()
    int8 = ("int8",) if found.get("amx_int8") or found.get("avx512_vnni") else ()
    return ("fp32", *bf16, *int8)


def fastest_precision(device: torch.device | str = "cpu") -> str:
    """The meaning of "auto": bf16 if available (4 times as fast as fp32), else int8 (1.5 times), else fp32."""
    available = available_precisions(device)
    return next(name for name in ("bf16", "int8", "fp32") if name in available)


class Reader:
    """A backbone prepared to embed many texts at one precision.

    Build it once and use it often: bf16 and int8 convert a copy of the current weights.
    """

    def __init__(self, backbone: Backbone, precision: str = "auto") -> None:
        """Convert the weights.

        Args:
            backbone: it is not changed.
            precision: "fp32", "bf16", "int8" (linear layers, with one scale per output of a weight and per token of an
                activation), or "auto" for the fastest on this hardware.

        Raises:
            ValueError: an unknown precision, or one that the hardware does not support.
        """
        if precision not in PRECISIONS:
            raise ValueError(unknown_name("precision", precision, PRECISIONS))
        device, available = backbone.model.device, available_precisions(backbone.model.device)
        if precision == "auto":
            precision = fastest_precision(device)
        if precision not in available:
            raise ValueError(
                f"precision {precision!r} needs instructions that this {device.type} does not have (bf16: AMX; int8: "
                f"AMX or AVX-512 VNNI, on CPUs only), and is slower than fp32 without them. "
                f"Use precision='auto', or one of {', '.join(available)}."
            )
        self.backbone = backbone
        self.precision = precision
        self._model: Any = backbone.model
        self._dtype = torch.float32
        if precision == "bf16":
            self._dtype = torch.bfloat16
            module: nn.Module = copy.deepcopy(backbone.model)
            self._model = module.to(torch.bfloat16)
        elif precision == "int8":
            self._model = _quantised(backbone.model)

    @functools.cached_property
    def key(self) -> str:
        """Hash of everything besides the text that a vector depends on: weights, number format, tokenizer, prefix."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.backbone.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy())
        tokenizer = json.loads(self.backbone.tokenizer.backend_tokenizer.to_str())
        for set_by_the_last_call in ("truncation", "padding"):
            del tokenizer[set_by_the_last_call]
        read = [self.precision, self.backbone.prefix, MAX_TOKENS, "both ends", normalisation.VERSION, tokenizer]
        digest.update(json.dumps(read).encode())
        return digest.hexdigest()

    def embed(
        self,
        texts: Sequence[str],
        *,
        batch_size: int = 256,
        cache: EmbeddingCache | None = None,
        progress: Progress | None = None,
    ) -> torch.Tensor:
        """Vectors of n texts in their order: (n, w) float32 on the CPU, rows of length 1.

        A text that occurs twice in a chunk is computed once. Texts are tokenised in chunks, so apart from the result
        (4·n·w bytes) memory does not grow with n.

        Args:
            texts: n texts, none empty.
            batch_size: maximum texts at a time, see `pool_all`.
            cache: where vectors are looked up and kept.
            progress: called with the number of texts just computed or found.
        """
        out = torch.empty(len(texts), self.backbone.width)
        for start in range(0, len(texts), CHUNK):
            chunk = texts[start : start + CHUNK]
            distinct = list(dict.fromkeys(chunk))
            vectors = torch.empty(len(distinct), self.backbone.width)
            wanted = np.arange(len(distinct))  # rows that are not in the cache
            if cache is not None:
                known, found = cache.get(self.key, distinct, self.backbone.width)
                vectors[torch.from_numpy(found)] = torch.from_numpy(known)
                wanted = np.flatnonzero(~found)
            if progress is not None:
                progress(len(chunk) - len(wanted))
            if len(wanted):
                uncached = [distinct[i] for i in wanted]
                tokens = self.backbone.tokenize(uncached)
                new = self.pool_all(tokens, batch_size=batch_size, progress=progress).cpu()
                vectors[torch.from_numpy(wanted)] = new
                if cache is not None:
                    cache.put(self.key, uncached, new.numpy())
            place = {text: i for i, text in enumerate(distinct)}
            out[start : start + len(chunk)] = vectors[[place[text] for text in chunk]]
        return out

    @torch.inference_mode()
    def pool_all(
        self, tokens: Sequence[Sequence[int]], *, batch_size: int = 256, progress: Progress | None = None
    ) -> torch.Tensor:
        """See the function `pool_all`; at this reader's precision."""
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
        device = self.backbone.model.device
        most = BATCH_TOKENS.get(device.type, BATCH_TOKENS_GPU)
        out = torch.empty(len(tokens), self.backbone.width, device=device)
        for width, rows in _batches(_packed([len(text) for text in tokens], batch_size), batch_size, most):
            order = [i for row in rows for i in row]
            out[order] = self._pool([[tokens[i] for i in row] for row in rows], width)
            if progress is not None:
                progress(len(order))
        return out

    def _pool(self, rows: Sequence[Sequence[Sequence[int]]], width: int) -> torch.Tensor:
        """Vectors of the texts in packed rows, row by row: (k, w) float32."""
        shape = (len(rows), width)
        ids = np.full(shape, self.backbone.tokenizer.pad_token_id, np.int64)
        position = np.zeros(shape, np.int64)
        owner = np.full(shape, -1, np.int64)  # number of each token's text; -1 is padding
        texts = 0
        for r, row in enumerate(rows):
            start = 0
            for text in row:
                end = start + len(text)
                ids[r, start:end] = text
                position[r, start:end] = np.arange(len(text))
                owner[r, start:end] = texts
                start, texts = end, texts + 1
        device = self.backbone.model.device
        of = torch.from_numpy(owner).to(device)
        # Tokens attend only to their own text. Padding attends to padding, so that no softmax is over nothing.
        separate = of[:, None, :, None] != of[:, None, None, :]
        mask = torch.zeros(separate.shape, dtype=self._dtype, device=device)
        mask.masked_fill_(separate, torch.finfo(self._dtype).min)
        hidden = self._model.embeddings(
            input_ids=torch.from_numpy(ids).to(device), position_ids=torch.from_numpy(position).to(device)
        )
        hidden = self._model.encoder(hidden, attention_mask=mask).last_hidden_state
        real = of.flatten() >= 0
        total = torch.zeros(texts, hidden.shape[-1], device=device)
        total.index_add_(0, of.flatten()[real], hidden.flatten(0, 1)[real].float())
        return F.normalize(total, dim=1)  # equal to the normalised mean: the sum differs only in length


def pool_all(
    backbone: Backbone,
    tokens: Sequence[Sequence[int]],
    *,
    batch_size: int = 256,
    precision: str = "fp32",
    progress: Progress | None = None,
) -> torch.Tensor:
    """Vectors of tokenised texts in their order: (n, w) float32 on the backbone's device, rows of length 1.

    The vectors equal those of `Backbone.pool` up to rounding. bf16 and int8 convert the weights in every call; for
    repeated calls keep a `Reader`.

    Args:
        backbone: the model.
        tokens: ids of each text, as `Backbone.tokenize` returns them.
        batch_size: maximum texts at a time; the number of tokens at a time is limited too, see `BATCH_TOKENS`.
        precision: see `Reader`.
        progress: called with the number of texts just computed.

    Raises:
        ValueError: a precision that is unknown or not supported by the hardware, or a batch size below 1.
    """
    return Reader(backbone, precision).pool_all(tokens, batch_size=batch_size, progress=progress)


def _packed(lengths: Sequence[int], most: int) -> list[tuple[int, list[int]]]:
    """Rows of texts, each with its width: the longest remaining text starts a row, the longest that fit fill it.

    This is first-fit decreasing (Johnson et al. 1974: at most 11/9 of the minimum number of rows). With a few hundred
    messages, about 2 % of the tokens are padding.

    >>> _packed([20, 5, 12, 40, 20], most=256)
    [(64, [3, 4]), (32, [0, 2]), (32, [1])]
    """
    of_length: list[list[int]] = [[] for _ in range(max(lengths, default=0) + 1)]
    for i, length in enumerate(lengths):
        of_length[length].append(i)
    rows = []
    longest, left = len(of_length) - 1, len(lengths)
    while left:
        while not of_length[longest]:
            longest -= 1
        width = math.ceil(longest / BLOCK) * BLOCK
        row: list[int] = []
        room, length = width, longest
        while length and len(row) < most:
            if of_length[length]:
                row.append(of_length[length].pop())
                room -= length
            else:
                length -= 1
            length = min(length, room)
        rows.append((width, row))
        left -= len(row)
    return rows


def _batches(
    rows: Sequence[tuple[int, list[int]]], most_texts: int, most_tokens: int
) -> Iterable[tuple[int, list[list[int]]]]:
    """Runs of rows of one width with at most this many texts and tokens, but at least one row."""
    batch: list[list[int]] = []
    width = texts = 0
    for row_width, row in rows:
        full = texts + len(row) > most_texts or (len(batch) + 1) * row_width > most_tokens
        if batch and (row_width != width or full):
            yield width, batch
            batch, texts = [], 0
        width = row_width
        batch.append(row)
        texts += len(row)
    if batch:
        yield width, batch


class _Int8Linear(nn.Module):
    """A linear layer in int8: one scale per output of the weights and per token of the activations, sums in int32.

    Torch's own dynamic quantisation uses one scale for all activations of a batch. BERT has a few very large
    activations, and the others would lose most of their bits (Dettmers et al. 2022, arXiv 2208.07339, vector-wise
    quantisation).
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        self.scale = _scale(weight)[:, 0]
        self.weight = (weight / self.scale[:, None]).round().to(torch.int8).t()
        self.bias = linear.bias.detach()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        scale = _scale(flat)
        product = torch._int_mm((flat / scale).round_().to(torch.int8), self.weight)
        return product.float().mul_(scale).mul_(self.scale).add_(self.bias).view(*x.shape[:-1], -1)


def _scale(x: torch.Tensor) -> torch.Tensor:
    """Step size with which each row's largest absolute value becomes 127: (rows, 1)."""
    return (x.abs().amax(1, keepdim=True) / 127).clamp_(min=1e-12)


def _quantised(model: nn.Module) -> nn.Module:
    """A copy whose linear layers compute in int8."""
    model = copy.deepcopy(model)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                setattr(parent, name, _Int8Linear(child))
    return model
