"""The weights that fine-tuning changes in a backbone: low-rank adapters, or whole layers.

Owns    making adapters, loading trained weights into a model with checks of their shapes, and merging them.
Leaves  training them to `training`, and their files to `storage`.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import peft
import torch
from transformers import BertModel

from flashsale_env.encoders.devices import cuda_devices
from flashsale_env.encoders.text.backbone import Backbone

# Rank-8 adapters on the query, value and feed-forward maps of every layer. On held-out templates, adapting attention
# alone scored 0.893 and this 0.903 (frozen backbone: 0.882). A second epoch overfitted the templates.
LORA: dict[str, Any] = {
    "r": 8,
    "lora_alpha": 16,
    "lora_dropout": 0.1,
    "target_modules": ["query", "value", "dense"],
}


def adapted(model: BertModel, seed: int) -> peft.PeftModel:
    """The model with new adapters. They start at zero, so its output is unchanged."""
    with warnings.catch_warnings(), torch.random.fork_rng(cuda_devices(model.device)):
        torch.manual_seed(seed)
        # peft reads an attribute that transformers 5 has renamed; nothing here depends on it.
        warnings.filterwarnings("ignore", category=FutureWarning, message=".*is_gradient_checkpointing")
        return peft.get_peft_model(model, peft.LoraConfig(**LORA))


def with_weights(base: Backbone, method: str, weights: Mapping[str, torch.Tensor]) -> Backbone:
    """A copy of the backbone with the fine-tuned weights merged in; the backbone itself for "frozen".

    Raises:
        ValueError: the weights do not fit the backbone.
    """
    if method == "frozen":
        return base
    model = copy.deepcopy(base.model)
    if method == "full":
        set_layers(model, base, weights)
    else:
        net = adapted(model, seed=0)
        set_adapter(net, base, weights)
        model = net.merge_and_unload()
    return replace(base, model=model.eval())


def set_adapter(net: peft.PeftModel, base: Backbone, weights: Mapping[str, torch.Tensor]) -> None:
    """Load trained adapters.

    Raises:
        ValueError: their names or shapes do not fit.
    """
    expected = {key: value.shape for key, value in peft.get_peft_model_state_dict(net).items()}
    if expected != {key: value.shape for key, value in weights.items()}:
        raise ValueError(
            f"the adapter does not fit backbone {base.name!r} and {LORA}: it has "
            f"{len(weights)} tensors, expected {len(expected)} such as {next(iter(expected))!r}."
        )
    peft.set_peft_model_state_dict(net, dict(weights))


def set_layers(model: BertModel, base: Backbone, weights: Mapping[str, torch.Tensor]) -> None:
    """Load fine-tuned layers. The embeddings stay pretrained unless `weights` contains them.

    Raises:
        ValueError: a tensor is unknown, missing or of another shape.
    """
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    wrong = [key for key, value in weights.items() if shapes.get(key) != value.shape]
    missing = [key for key in shapes if key not in weights and not key.startswith("embeddings.")]
    if wrong or missing:
        raise ValueError(
            f"the fine-tuned layers do not fit backbone {base.name!r}: {len(wrong)} tensors are unknown or have "
            f"another shape and {len(missing)} are missing; the first is {(wrong + missing)[0]!r}."
        )
    model.load_state_dict(dict(weights), strict=False)
