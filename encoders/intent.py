"""The intent encoder: a fine-tuned BERT that reads a customer's message.

Owns    the map text -> (intent probabilities, embedding), its training, its file format and its figures.
Leaves  the messages to `corpus` and the pretrained weights to `backbone`.
Axes    n texts, 9 intents in the order of `INTENTS`, w the backbone's width.

The embedding is the fine-tuned backbone's mean over tokens, scaled to length 1. It still tells which product
a message names, so the demand model reads the same vector as the intent head.

    python -m encoders.intent --out DIR --seed 0        fine-tunes the default encoder and saves it
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import math
import platform
import shlex
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss
from sklearn.pipeline import Pipeline, make_pipeline, make_union

from encoders.backbone import Backbone, load_backbone, sha256_of
from encoders.corpus import Message, generate
from flashsale_env.files import write_atomically
from flashsale_env.intents import INTENTS

__all__ = ["METHODS", "Encoding", "IntentEncoder", "evaluate", "scores", "tfidf_model", "tfidf_reference"]

# Learning rate of each method; "frozen" trains the head alone, in closed form.
METHODS: dict[str, float | None] = {"lora": 1e-3, "frozen": None, "full": 2e-5}
# Small steps for all of a layer's linear maps but the keys: on templates held out, adapting attention alone
# scored 0.893 and this 0.903 (the frozen backbone 0.882); a second epoch added nothing and fitted templates.
LORA = {"r": 8, "lora_alpha": 16, "lora_dropout": 0.1, "target_modules": ["query", "value", "dense"]}
HEAD_RATE = 1e-3  # of the head, which starts at the frozen solution and only follows
LABEL_SMOOTHING = 0.1
INVERSE_PENALTY = 3.0  # scikit-learn's C of the head on the frozen backbone
WARM_UP = 0.1  # share of the steps over which the learning rate rises
WEIGHT_FILES = {"lora": "adapter.safetensors", "full": "backbone.safetensors"}  # "frozen" has none
FORMAT = 1

# The default encoder: sizes that fine-tune in less than a minute on two cores.
DEFAULT_TRAIN, DEFAULT_VALIDATION, DEFAULT_EVALUATION = 4500, 900, 1800


@dataclass(frozen=True)
class Encoding:
    """What the encoder read in n texts, in their order."""

    probabilities: np.ndarray  # (n, 9) float32, rows sum to 1
    embeddings: np.ndarray  # (n, w) float32, rows of length 1

    @property
    def intents(self) -> list[str]:
        """The most probable intent of each text."""
        return [INTENTS[i] for i in self.probabilities.argmax(1)]


class IntentEncoder:
    """A backbone, what fine-tuning changed in it, and a linear head on its embedding.

    Made by `fine_tune`, `load` or `default`. `card` says how it was made and what it scored.
    """

    def __init__(
        self,
        backbone: Backbone,
        method: str,
        weights: Mapping[str, torch.Tensor],
        head: Mapping[str, torch.Tensor],
        card: Mapping[str, Any],
    ) -> None:
        """Build from the parts that are stored: `backbone` as pretrained (it is not changed), the tensors
        that fine-tuning learned, and the head's weight (9, w) and bias (9,)."""
        device = backbone.model.device
        self.backbone = _with_weights(backbone, method, weights)
        self.method = method
        self.card = dict(card)
        self._weights = {key: value.detach().cpu().contiguous() for key, value in weights.items()}
        self._head = {key: value.detach().float().cpu().contiguous() for key, value in head.items()}
        self._on_device = {key: value.to(device) for key, value in self._head.items()}

    @classmethod
    def fine_tune(
        cls,
        messages_train: Sequence[Message],
        messages_validation: Sequence[Message],
        *,
        backbone: str | Path = "minilm",
        method: str = "lora",
        epochs: int = 1,
        learning_rate: float | None = None,
        batch_size: int = 32,
        seed: int = 0,
        device: str = "auto",
        progress: bool = True,
        corpus: Mapping[str, Any] | None = None,
        command: str | None = None,
    ) -> IntentEncoder:
        """Fit the head on the frozen backbone, then let the backbone follow.

        The head starts at the multinomial logistic regression on the frozen embeddings: a backbone trained
        from a random head first learns to serve that head, and forgets phrasings that it knew. The epoch
        with the lowest log loss on `messages_validation` is kept, the frozen start included.

        Args:
            messages_train: what to learn from; all nine intents must occur.
            messages_validation: chooses the epoch. Other templates than training, or it chooses nothing.
            backbone: see `load_backbone`.
            method: "lora" (low-rank changes to attention), "frozen" (head only) or "full" (every weight).
            epochs: passes over the training messages; none for "frozen".
            learning_rate: peak of AdamW's for the backbone; None takes the one of `METHODS`.
            batch_size: texts a step.
            seed: of batches, dropout and adapters. One machine and thread count repeat themselves exactly.
            device: "auto" takes CUDA where there is one.
            progress: show a bar on standard error.
            corpus, command: kept in the card.

        Raises:
            ValueError: an intent without messages, an unknown method, sizes that are not positive.
        """
        if method not in METHODS:
            raise ValueError(f"unknown method {method!r}: use one of {', '.join(METHODS)}.")
        if epochs < 1 or batch_size < 1 or (learning_rate is not None and not learning_rate > 0):
            raise ValueError(
                f"epochs, batch_size and learning_rate must be positive, "
                f"got epochs={epochs}, batch_size={batch_size}, learning_rate={learning_rate}."
            )
        started = time.perf_counter()
        target, target_validation = _targets(messages_train), _targets(messages_validation)
        if missing := [intent for i, intent in enumerate(INTENTS) if i not in set(target)]:
            raise ValueError(f"messages_train has no message of {', '.join(missing)}: each intent needs some.")
        if not len(target_validation):
            raise ValueError("messages_validation is empty: it chooses the epoch, give e.g. 900 messages.")
        base = load_backbone(backbone, device=_device(device))
        tokens = base.tokenize([m.text for m in messages_train])
        tokens_validation = base.tokenize([m.text for m in messages_validation])
        head = _frozen_head(_pool_all(base, tokens), target)
        rate = METHODS[method] if learning_rate is None else learning_rate
        training = {
            "train_messages": len(target),
            "validation_messages": len(target_validation),
            "seed": seed,
        }
        if method == "frozen":
            weights: dict[str, torch.Tensor] = {}
        else:
            tuner = _Tuner(base, method, head, rate, seed)
            weights, head, history = tuner.run(
                tokens, target, tokens_validation, target_validation, epochs, batch_size, progress
            )
            losses = [row["validation_log_loss"] for row in history]
            training |= {
                "epochs": epochs,
                "best_epoch": int(np.argmin(losses)),
                "learning_rate": rate,
                "batch_size": batch_size,
                "history": history,
            }
        card = {
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
            "training": training,
            "command": command,
            "versions": {
                "python": platform.python_version(),
                **{name: metadata.version(name) for name in ("torch", "transformers", "peft", "scikit-learn")},
            },
        }
        encoder = cls(base, method, weights, head, card)
        encoder.card["training"]["seconds"] = round(time.perf_counter() - started, 1)
        found = evaluate(encoder, messages_validation)
        encoder.card["figures"] = {"validation": {k: round(found[k], 4) for k in ("accuracy", "macro_f1")}}
        return encoder

    def encode(self, texts: Sequence[str], *, batch_size: int = 256, progress: bool = False) -> Encoding:
        """Read texts.

        Args:
            texts: n messages. Beyond 128 tokens only the beginning is read, with a warning.
            batch_size: texts at a time; results depend on it only by rounding (1e-6).
            progress: show a bar on standard error.

        Raises:
            ValueError: a text that is empty or not a string, with its row number.
        """
        if isinstance(texts, str):
            raise ValueError(f"texts must be a sequence of messages, got one string: use [{texts[:40]!r}].")
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                raise ValueError(f"row {row} is not text: got {text!r} of type {type(text).__name__}.")
            if not text.strip():
                raise ValueError(f"row {row} is empty: got {text!r}. Drop rows without a message.")
        tokens = self.backbone.tokenize(texts) if len(texts) else []
        with _bar("encoding", len(tokens), progress) as bar:
            embeddings = _pool_all(self.backbone, tokens, batch_size, bar)
        logits = F.linear(embeddings, self._on_device["weight"], self._on_device["bias"])
        return Encoding(torch.softmax(logits, 1).cpu().numpy(), embeddings.cpu().numpy())

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the learned tensors, the head and card.json. The card comes last and holds the hashes of the
        others, so that an interrupted save is seen by `load`.

        Raises:
            FileExistsError: the folder holds something and `overwrite` is not set.
        """
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not overwrite:
            raise FileExistsError(f"{folder} already holds something: choose another folder, or overwrite it.")
        folder.mkdir(parents=True, exist_ok=True)
        files = {"head.safetensors": self._head}
        if self.method in WEIGHT_FILES:
            files[WEIGHT_FILES[self.method]] = self._weights
        hashes = {}
        for name, tensors in files.items():
            content = to_safetensors(tensors)
            hashes[name] = hashlib.sha256(content).hexdigest()
            write_atomically(folder / name, content)
        card = json.dumps({**self.card, "files": hashes}, indent=2) + "\n"
        write_atomically(folder / "card.json", card.encode())
        return folder

    @classmethod
    def load(cls, folder: str | Path, *, backbone: str | Path | None = None, device: str = "auto") -> IntentEncoder:
        """Read what `save` wrote.

        Args:
            folder: of the saved encoder.
            backbone: where its backbone lies now, if it has moved; None takes the place named in the card.
            device: "auto" takes CUDA where there is one.

        Raises:
            ValueError: a missing, changed or truncated file, another backbone than the one it was trained
                on, another order of intents.
        """
        folder = Path(folder)
        card = _read_card(folder)
        base = load_backbone(backbone or card["backbone"]["name"], device=_device(device))
        if base.sha256 != card["backbone"]["sha256"]:
            raise ValueError(
                f"{folder} was fine-tuned on backbone {card['backbone']['name']!r} with sha256 "
                f"{card['backbone']['sha256']}, but the one found here has {base.sha256}. "
                f"Install that backbone, or fine-tune again on this one."
            )
        head = _read_tensors(folder, "head.safetensors", card)
        shapes = {key: tuple(value.shape) for key, value in head.items()}
        if shapes != {"weight": (len(INTENTS), base.width), "bias": (len(INTENTS),)}:
            raise ValueError(f"{folder / 'head.safetensors'} does not fit {len(INTENTS)} intents: {shapes}.")
        weights = {}
        if card["method"] in WEIGHT_FILES:
            weights = _read_tensors(folder, WEIGHT_FILES[card["method"]], card)
        card.pop("files")
        return cls(base, card["method"], weights, head, card)

    @classmethod
    def default(cls, *, device: str = "auto") -> IntentEncoder:
        """The encoder shipped with the project: English, LoRA on MiniLM."""
        with resources.as_file(resources.files("encoders").joinpath("data", "default")) as folder:
            return cls.load(folder, device=device)


def evaluate(encoder: IntentEncoder, messages: Sequence[Message]) -> dict[str, Any]:
    """Accuracy, macro-F1 over the intents present, and confusion (9, 9): rows true, columns predicted."""
    truth = [m.intent for m in messages]
    guess = encoder.encode([m.text for m in messages]).intents
    return scores(truth, guess) | {"confusion": confusion_matrix(truth, guess, labels=INTENTS).tolist()}


def tfidf_model(messages: Sequence[Message]) -> Pipeline:
    """The reference without BERT: TF-IDF of words, word pairs and 2-5 letters, and logistic regression."""
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    model = make_pipeline(features, LogisticRegression(C=10.0, max_iter=2000))
    return model.fit([m.text for m in messages], [m.intent for m in messages])


def tfidf_reference(train: Sequence[Message], test: Sequence[Message]) -> dict[str, float]:
    """Accuracy and macro-F1 on `test` of `tfidf_model` fitted on `train`."""
    return scores([m.intent for m in test], list(tfidf_model(train).predict([m.text for m in test])))


def scores(truth: Sequence[str], guess: Sequence[str]) -> dict[str, float]:
    """Accuracy, and macro-F1 over the intents that `truth` holds."""
    return {
        "accuracy": float(accuracy_score(truth, guess)),
        "macro_f1": float(f1_score(truth, guess, labels=sorted(set(truth)), average="macro", zero_division=0)),
    }


class _Tuner:
    """One fine-tuning run: `base` is copied, adapted and trained together with a copy of the head."""

    def __init__(self, base: Backbone, method: str, head: Mapping, rate: float, seed: int) -> None:
        self.method, self.seed = method, seed
        self.device = base.model.device
        self.cuda_devices = _cuda(self.device)
        model = copy.deepcopy(base.model)
        self.net = _adapted(model, seed) if method == "lora" else model
        self.backbone = replace(base, model=model)
        self.head = torch.nn.utils.skip_init(torch.nn.Linear, base.width, len(INTENTS), device=self.device)
        self.head.load_state_dict({key: value.to(self.device) for key, value in head.items()})
        learned = [p for p in self.net.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            [{"params": learned, "lr": rate}, {"params": self.head.parameters(), "lr": HEAD_RATE}],
            weight_decay=0.01,
        )

    def run(
        self,
        tokens,
        target,
        tokens_validation,
        target_validation,
        epochs: int,
        batch_size: int,
        progress: bool,
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], list[dict[str, float]]]:
        """Train, and return the tensors and head of the best epoch with every epoch's figures."""
        steps = epochs * math.ceil(len(tokens) / batch_size)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda s: min((s + 1) / (WARM_UP * steps), (steps - s) / ((1 - WARM_UP) * steps), 1.0),
        )
        rng = np.random.default_rng(self.seed)
        history = [self.score(tokens_validation, target_validation)]
        best = self.snapshot()
        with torch.random.fork_rng(self.cuda_devices), _bar("fine-tuning", steps, progress) as bar:
            torch.manual_seed(self.seed)
            for _ in range(epochs):
                self.net.train()
                for rows in _length_buckets(tokens, batch_size, rng):
                    self.optimizer.zero_grad(set_to_none=True)
                    with _fast_matmul(self.device):
                        pooled = self.backbone.pool([tokens[i] for i in rows])
                    logits = self.head(pooled.float())
                    wanted = torch.as_tensor(target[rows], device=self.device)
                    F.cross_entropy(logits, wanted, label_smoothing=LABEL_SMOOTHING).backward()
                    self.optimizer.step()
                    schedule.step()
                    bar(1)
                history.append(self.score(tokens_validation, target_validation))
                if history[-1]["validation_log_loss"] < min(h["validation_log_loss"] for h in history[:-1]):
                    best = self.snapshot()
        return *best, history

    def score(self, tokens, target) -> dict[str, float]:
        self.net.eval()
        with torch.inference_mode():
            logits = self.head(_pool_all(self.backbone, tokens)).double()
        p = torch.softmax(logits, 1).cpu().numpy()
        return {
            "validation_log_loss": round(float(log_loss(target, p, labels=range(len(INTENTS)))), 4),
            "validation_accuracy": round(float(accuracy_score(target, p.argmax(1))), 4),
        }

    def snapshot(self) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        learned = peft.get_peft_model_state_dict(self.net) if self.method == "lora" else self.net.state_dict()
        return (
            {key: value.detach().cpu().clone() for key, value in learned.items()},
            {key: value.detach().cpu().clone() for key, value in self.head.state_dict().items()},
        )


def _adapted(model: torch.nn.Module, seed: int) -> peft.PeftModel:
    """The model with fresh adapters, which change nothing yet."""
    with warnings.catch_warnings(), torch.random.fork_rng(_cuda(model.device)):
        torch.manual_seed(seed)
        # peft asks transformers 5 for an attribute that has been renamed; nothing here depends on it.
        warnings.filterwarnings("ignore", category=FutureWarning, message=".*is_gradient_checkpointing")
        return peft.get_peft_model(model, peft.LoraConfig(**LORA))


def _with_weights(base: Backbone, method: str, weights: Mapping[str, torch.Tensor]) -> Backbone:
    """A copy of the backbone with what fine-tuning learned merged in."""
    if method == "frozen":
        return base
    model = copy.deepcopy(base.model)
    if method == "full":
        model.load_state_dict(dict(weights))
    else:
        net = _adapted(model, seed=0)
        expected = {key: value.shape for key, value in peft.get_peft_model_state_dict(net).items()}
        if expected != {key: value.shape for key, value in weights.items()}:
            raise ValueError(
                f"the adapter does not fit backbone {base.name!r} and {LORA}: it has "
                f"{len(weights)} tensors, expected {len(expected)} such as {next(iter(expected))!r}."
            )
        peft.set_peft_model_state_dict(net, dict(weights))
        model = net.merge_and_unload()
    return replace(base, model=model.eval())


@torch.inference_mode()
def _pool_all(backbone: Backbone, tokens: Sequence[Sequence[int]], batch_size: int = 256, bar=None) -> torch.Tensor:
    """Embeddings (n, w) of tokenised texts, in their order; batches hold texts of similar length."""
    out = torch.empty(len(tokens), backbone.width, device=backbone.model.device)
    order = np.argsort([len(text) for text in tokens], kind="stable")
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        out[torch.as_tensor(rows, device=out.device)] = backbone.pool([tokens[i] for i in rows])
        if bar is not None:
            bar(len(rows))
    return out


def _frozen_head(embeddings: torch.Tensor, target: np.ndarray) -> dict[str, torch.Tensor]:
    """Multinomial logistic regression on the embeddings, as a linear layer."""
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=2000).fit(embeddings.cpu().numpy(), target)
    return {
        "weight": torch.tensor(model.coef_, dtype=torch.float32),
        "bias": torch.tensor(model.intercept_, dtype=torch.float32),
    }


def _length_buckets(tokens: Sequence[Sequence[int]], batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Random batches of similar length: a shuffle, sorted by length within runs of 16 batches."""
    order = rng.permutation(len(tokens))
    length = np.array([len(text) for text in tokens])
    runs = [order[i : i + 16 * batch_size] for i in range(0, len(order), 16 * batch_size)]
    runs = [run[np.argsort(length[run], kind="stable")] for run in runs]
    batches = [run[i : i + batch_size] for run in runs for i in range(0, len(run), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def _targets(messages: Sequence[Message]) -> np.ndarray:
    for row, message in enumerate(messages):
        if message.intent not in INTENTS:
            raise ValueError(f"message {row} has intent {message.intent!r}; they are {', '.join(INTENTS)}.")
    return np.array([INTENTS.index(m.intent) for m in messages], dtype=np.int64)


def _device(name: str) -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else torch.device(name)


def _cuda(device: torch.device) -> list[torch.device]:
    """The devices beside the CPU whose generator a run on this device draws from."""
    return [device] if device.type == "cuda" else []


def _fast_matmul(device: torch.device) -> torch.autocast:
    """bfloat16 matrix products where the hardware has units for them."""
    if device.type == "cpu":
        fast = getattr(torch.cpu, "get_capabilities", dict)().get("amx_bf16", False)
    else:
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bool(fast))


class _bar:
    """`with _bar(title, total, shown) as advance: advance(k)`: a bar on standard error, or nothing."""

    def __init__(self, title: str, total: int, shown: bool) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.progress = Progress(*columns, console=Console(stderr=True), disable=not shown)
        self.task = self.progress.add_task(title, total=total)

    def __enter__(self):
        self.progress.start()
        return lambda k: self.progress.advance(self.task, k)

    def __exit__(self, *_) -> None:
        self.progress.stop()


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / "card.json"
    if not path.is_file():
        raise ValueError(f"{folder} holds no intent encoder: card.json is missing.")
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
        raise ValueError(f"{path} names method {card['method']!r}, known are {', '.join(METHODS)}.")
    if tuple(card["intents"]) != INTENTS:
        raise ValueError(
            f"{path} has other intents or another order: {card['intents']}, expected {list(INTENTS)}. "
            f"Its probabilities would be read as the wrong intents; fine-tune again."
        )
    return card


def _read_tensors(folder: Path, name: str, card: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    path = folder / name
    if not path.is_file():
        raise ValueError(f"{folder} is incomplete: {name} is missing. Save the encoder again.")
    found, wanted = sha256_of(path), card["files"].get(name)
    if found != wanted:
        raise ValueError(
            f"{path} is damaged or was changed: its sha256 is {found}, the card says {wanted}. Save the encoder again."
        )
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file ({error}).") from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Fine-tune an encoder on the project's corpus, measure it on templates it never saw, and save it."""
    parser = argparse.ArgumentParser(prog="python -m encoders.intent", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write, new or empty")
    parser.add_argument("--seed", type=int, default=0, help="of corpus and training (default 0)")
    parser.add_argument("--backbone", default="minilm", help="name, folder or hub id (default minilm)")
    parser.add_argument("--method", default="lora", choices=METHODS, help="what is trained (default lora)")
    parser.add_argument("--epochs", type=int, default=1, help="passes over the messages (default 1)")
    parser.add_argument("--overwrite", action="store_true", help="replace an encoder that is already there")
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser.parse_args(given)
    train = generate("train", DEFAULT_TRAIN, options.seed)
    test = generate("evaluation", DEFAULT_EVALUATION, options.seed)
    try:
        encoder = IntentEncoder.fine_tune(
            train,
            generate("validation", DEFAULT_VALIDATION, options.seed),
            backbone=options.backbone,
            method=options.method,
            epochs=options.epochs,
            seed=options.seed,
            corpus={
                "language": "en",
                "seed": options.seed,
                "train": DEFAULT_TRAIN,
                "validation": DEFAULT_VALIDATION,
            },
            command=shlex.join(["python", "-m", "encoders.intent", *given]),
        )
        found = evaluate(encoder, test)
        reference = tfidf_reference(train, test)
        encoder.card["figures"] |= {
            "evaluation": {k: round(found[k], 4) for k in ("accuracy", "macro_f1")},
            "tfidf_evaluation": {k: round(v, 4) for k, v in reference.items()},
        }
        encoder.save(options.out, overwrite=options.overwrite)
    except (ValueError, FileExistsError) as error:
        parser.error(str(error))
    print(json.dumps({"figures": encoder.card["figures"], "seconds": encoder.card["training"]["seconds"]}, indent=2))


if __name__ == "__main__":
    main()
