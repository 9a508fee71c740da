"""The folder of a saved encoder: card.json and the files of tensors.

Owns    names and format of the files, the checks when they are read, and the card of a new encoder.
Leaves  what the tensors mean to `intent`.

The card is written last and holds the hashes of the other files, so an interrupted save is detected when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors

from flashsale_env.encoders.text.backbone import Backbone
from flashsale_env.encoders.text.heads import TASKS, head_name
from flashsale_env.encoders.text.scope import Scope
from flashsale_env.encoders.text.training import METHODS
from flashsale_env.files import sha256, sha256_of, write_atomically
from flashsale_env.intents import INTENTS
from flashsale_env.versions import versions

CARD_FILE, HEAD_FILE, SCOPE_FILE = "card.json", "head.safetensors", "scope.safetensors"
WEIGHT_FILES = {"lora": "adapter.safetensors", "full": "backbone.safetensors"}  # "frozen" has none
FORMAT = 1


def new_card(
    base: Backbone,
    method: str,
    training: Mapping[str, Any],
    corpus: Mapping[str, Any] | None,
    command: str | None,
) -> dict[str, Any]:
    """The card of an encoder that was just trained, without its figures."""
    return {
        "format": FORMAT,
        "kind": "intent encoder",
        "method": method,
        "intents": list(INTENTS),
        "backbone": {
            "name": base.name,
            "source": base.source,
            "sha256": base.sha256,
            "width": base.width,
        },
        "pretrained": base.pretrained,
        "languages": list(base.languages),
        "corpus": dict(corpus or {}),
        "training": dict(training),
        "command": command,
        "versions": versions(),
    }


def contents(
    method: str, weights: Mapping[str, torch.Tensor], head: Mapping[str, torch.Tensor], scope: Scope | None
) -> dict[str, bytes]:
    """File name -> content of each file of tensors."""
    tensors = {HEAD_FILE: dict(head)}
    if method in WEIGHT_FILES:
        tensors[WEIGHT_FILES[method]] = dict(weights)
    if scope is not None:
        tensors[SCOPE_FILE] = scope.tensors()
    return {name: to_safetensors(content) for name, content in tensors.items()}


def hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    """File name -> sha256 of its content."""
    return {name: sha256(content) for name, content in files.items()}


def write(folder: Path, files: Mapping[str, bytes], card: Mapping[str, Any], *, overwrite: bool) -> None:
    """Write the files of tensors, then the card with their hashes.

    Raises:
        FileExistsError: the folder is not empty and `overwrite` is not set.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not overwrite:
        raise FileExistsError(f"{folder} already holds something: choose another folder, or overwrite it.")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomically(folder / name, content)
    write_atomically(folder / CARD_FILE, (json.dumps({**card, "files": hashes(files)}, indent=2) + "\n").encode())


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a saved encoder.

    Raises:
        ValueError: it is missing, damaged, of another format, or of something else than an intent encoder.
    """
    path = folder / CARD_FILE
    if not path.is_file():
        raise ValueError(f"{folder} holds no intent encoder: {CARD_FILE} is missing.")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON ({error}): the file is damaged, save the encoder again.") from None
    needed = {"format", "kind", "method", "intents", "backbone", "files"}
    if not isinstance(card, dict) or card.get("kind") != "intent encoder" or needed - card.keys():
        raise ValueError(f"{path} is not the card of an intent encoder: it must hold {', '.join(sorted(needed))}.")
    if card["format"] != FORMAT:
        raise ValueError(f"{path} has format {card['format']}, this version reads {FORMAT}: fine-tune again.")
    if card["method"] not in METHODS:
        raise ValueError(f"{path} names method {card['method']!r}; known are {', '.join(METHODS)}.")
    if tuple(card["intents"]) != INTENTS:
        raise ValueError(
            f"{path} has other intents or another order: {card['intents']}, expected {list(INTENTS)}. "
            f"Probabilities would be assigned to the wrong intents: fine-tune again."
        )
    return card


def check_same_backbone(base: Backbone, card: Mapping[str, Any], what: str) -> None:
    """Refuse a backbone with other weights than those on the card.

    Args:
        what: name of the encoder in the error.

    Raises:
        ValueError: the hashes differ.
    """
    if base.sha256 != card["backbone"]["sha256"]:
        raise ValueError(
            f"{what} was fine-tuned on backbone {card['backbone']['name']!r} with sha256 "
            f"{card['backbone']['sha256']}, but this one has {base.sha256}. "
            f"Install the former, or fine-tune again on the latter."
        )


def read_heads(folder: Path, card: Mapping[str, Any], width: int) -> dict[str, torch.Tensor]:
    """The tensors of all heads, named by `head_name`.

    Raises:
        ValueError: the file is missing or damaged, or does not fit the card and an embedding of this width.
    """
    head = read_tensors(folder, HEAD_FILE, card)
    wanted: dict[str, tuple[int, ...]] = {}
    for task in ("intent", *(("sentiment",) if card.get("sentiments") else ())):
        classes = len(TASKS[task])
        wanted |= {head_name(task, "weight"): (classes, width), head_name(task, "bias"): (classes,)}
    shapes = {key: tuple(value.shape) for key, value in head.items()}
    if shapes != wanted:
        raise ValueError(f"{folder / HEAD_FILE} does not fit this card: it holds {shapes}, expected {wanted}.")
    return head


def read_weights(folder: Path, card: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The fine-tuned weights; none for a frozen backbone.

    Raises:
        ValueError: the file is missing or damaged.
    """
    method = card["method"]
    return read_tensors(folder, WEIGHT_FILES[method], card) if method in WEIGHT_FILES else {}


def read_scope(folder: Path, card: Mapping[str, Any], width: int) -> Scope | None:
    """The out-of-scope score; None for an encoder that was saved without one.

    Raises:
        ValueError: the file is missing or damaged, or does not fit an embedding of this width.
    """
    figures = card.get("out_of_scope")
    if not figures:
        return None
    tensors = read_tensors(folder, SCOPE_FILE, card)
    shapes = {key: tuple(value.shape) for key, value in tensors.items()}
    if shapes != {"weight": (len(INTENTS) + 1, width), "bias": (len(INTENTS) + 1,)}:
        raise ValueError(f"{folder / SCOPE_FILE} does not fit {len(INTENTS)} intents of width {width}: {shapes}.")
    return Scope.of(tensors, figures)


def read_tensors(folder: Path, name: str, card: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors of one file of a folder.

    Raises:
        ValueError: the file is missing, or not the one whose hash is on the card.
    """
    path = folder / name
    if not path.is_file():
        raise ValueError(f"{folder} is incomplete: {name} is missing. Save the encoder again.")
    found, wanted = sha256_of(path), card["files"].get(name)
    if found != wanted:
        raise ValueError(
            f"{path} is damaged or was changed: its sha256 is {found}, the card has {wanted}. Save the encoder again."
        )
    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
        return tensors
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file ({error}).") from None
