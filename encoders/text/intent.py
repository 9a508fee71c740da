"""The intent encoder: a fine-tuned BERT that reads a customer's message.

Owns    the map text -> (intent and sentiment probabilities, in scope or not, embedding), its file format, its figures.
Leaves  the messages to `corpus`, the pretrained weights to `backbone`, fine-tuning to `training`, temperature and
        out-of-scope score to `calibration`.
Axes    n texts, 9 intents in the order of `INTENTS`, w the backbone's width.

The embedding is the fine-tuned backbone's mean over tokens, scaled to length 1. It still tells which product
a message names, so the demand model reads the same vector as the intent head.

    python -m flashsale_env.encoders.text.intent --out DIR   fine-tunes the default encoder and saves it
    python -m flashsale_env.encoders.text.intent --out DIR --backbone multilingual   in all languages of the corpus
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score
from sklearn.pipeline import Pipeline, make_pipeline, make_union

from flashsale_env.encoders.corpus.generator import LANGUAGES, MIXED, SENTIMENTS, Message, generate, language_for
from flashsale_env.encoders.corpus.outliers import OUTLIERS, outliers
from flashsale_env.encoders.text.backbone import Backbone, load_backbone, sha256_of
from flashsale_env.encoders.text.calibration import Scope, expected_calibration_error, fit_temperature, softmax
from flashsale_env.encoders.text.embedding_cache import EmbeddingCache
from flashsale_env.encoders.text.inference import Reader, pool_all
from flashsale_env.encoders.text.language import warn_unknown_languages
from flashsale_env.encoders.text.training import (
    LORA,
    METHODS,
    TASKS,
    FineTuning,
    head_name,
    progress_bar,
    targets,
    tune,
    with_weights,
)
from flashsale_env.encoders.threads import one_thread
from flashsale_env.errors import unknown_name
from flashsale_env.files import write_atomically
from flashsale_env.intents import INTENTS
from flashsale_env.versions import versions

__all__ = [
    "LORA",
    "METHODS",
    "SENTIMENTS",
    "Encoding",
    "FineTuning",
    "IntentEncoder",
    "evaluate",
    "fine_tune_on_corpus",
    "rounded",
    "scores",
    "tfidf_model",
    "tfidf_reference",
]

WEIGHT_FILES = {"lora": "adapter.safetensors", "full": "backbone.safetensors"}  # "frozen" has none
HEAD_FILE, SCOPE_FILE = "head.safetensors", "scope.safetensors"
FORMAT = 1

# The default encoder: sizes that fine-tune in about a minute on a core. Of each language of the corpus.
DEFAULT_TRAIN, DEFAULT_VALIDATION, DEFAULT_EVALUATION = 4500, 900, 1800


@dataclass(frozen=True)
class Encoding:
    """What the encoder read in n texts, in their order."""

    probabilities: np.ndarray  # (n, 9) float32, calibrated, rows sum to 1
    embeddings: np.ndarray  # (n, w) float32, rows of length 1
    sentiment: np.ndarray | None = None  # (n, 3) float32 in the order of `SENTIMENTS`; None without that head
    familiarity: np.ndarray | None = None  # (n,) float32, see `Scope.score`; None where no threshold was fitted
    in_scope: np.ndarray | None = None  # (n,) bool: one of the nine intents; None where no threshold was fitted

    @property
    def intents(self) -> list[str]:
        """The most probable intent of each text."""
        return [INTENTS[i] for i in self.probabilities.argmax(1)]


class IntentEncoder:
    """A backbone, what fine-tuning changed in it, and linear heads on its embedding.

    Made by `fine_tune`, `load` or `default`. `card` says how it was made and what it scored.
    """

    def __init__(
        self,
        backbone: Backbone,
        method: str,
        weights: Mapping[str, torch.Tensor],
        head: Mapping[str, torch.Tensor],
        card: Mapping[str, Any],
        scope: Scope | None = None,
    ) -> None:
        """Build from the parts that are stored: `backbone` as pretrained (it is not changed), the tensors that
        fine-tuning learned, the intent head's weight (9, w) and bias (9,) with those of the other heads, and what
        tells messages out of scope."""
        self.backbone = with_weights(backbone, method, weights)
        self.method = method
        self.card = dict(card)
        self.scope = scope
        self._readers: dict[str, Reader] = {}  # by precision, made when first asked for
        self._weights = {key: value.detach().cpu().contiguous() for key, value in weights.items()}
        self._set_head(head)

    def _set_head(self, head: Mapping[str, torch.Tensor]) -> None:
        self.head = {key: value.detach().float().cpu().contiguous() for key, value in head.items()}
        self._on_device = {key: value.to(self.backbone.model.device) for key, value in self.head.items()}

    def with_head(self, head: Mapping[str, torch.Tensor], card: Mapping[str, Any]) -> IntentEncoder:
        """An encoder with the same backbone under other heads, its temperature and scope not yet fitted."""
        other = copy.copy(self)
        other.card, other.scope = dict(card), None
        other._set_head(head)
        return other

    @classmethod
    def fine_tune(
        cls,
        messages_train: Sequence[Message],
        messages_validation: Sequence[Message],
        settings: FineTuning | None = None,
        *,
        backbone: str | Path | None = None,
        start: IntentEncoder | None = None,
        device: str = "auto",
        progress: bool = True,
        corpus: Mapping[str, Any] | None = None,
        command: str | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_every: int = 50,
        **changes: Any,
    ) -> IntentEncoder:
        """Train an encoder, then fit its temperature and its out-of-scope threshold. See `training.tune`.

        Args:
            messages_train: what to learn from; all nine intents must occur.
            messages_validation: chooses the epoch, the temperature and the out-of-scope threshold. Other templates
                than training, or it chooses nothing.
            settings: how; None takes the defaults of `FineTuning`.
            backbone: see `load_backbone`; None takes "minilm", or that of `start`.
            start: an encoder to go on from: its method goes on, and "frozen" refits its heads alone.
            device: "auto" takes CUDA where there is one.
            progress: show a bar on standard error.
            corpus, command: kept in the card.
            checkpoint, checkpoint_every: folder and steps of the checkpoints from which a killed run goes on.
            changes: fields of `FineTuning` that differ from `settings`.

        Raises:
            ValueError: an intent without messages, an unknown name, sizes that are not positive, a start that was
                trained by another method or on another backbone.
        """
        known = asdict(settings or FineTuning())
        for name in changes:
            if name not in known:
                raise ValueError(unknown_name("setting of FineTuning", name, known))
        settings = replace(settings or FineTuning(), **changes)
        started = time.perf_counter()
        if backbone is None:
            backbone = "minilm" if start is None else start.card["backbone"]["name"]
        base = load_backbone(backbone, device=_device(device))
        refit = start is not None and settings.method == "frozen"
        if start is not None:
            _check_same_backbone(base, start.card, "start")
            if start.method != settings.method and "frozen" not in (start.method, settings.method):
                raise ValueError(
                    f"start was fine-tuned with method {start.method!r}, which {settings.method!r} cannot go on from: "
                    f"use method={start.method!r}, or 'frozen' to refit its heads."
                )
        method = start.method if refit else settings.method
        found = tune(
            with_weights(base, start.method, start._weights) if refit else base,
            messages_train,
            messages_validation,
            settings,
            weights=None if start is None or refit else start._weights,
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            progress=progress,
        )
        training = {
            "train_messages": len(messages_train),
            "validation_messages": len(messages_validation),
            **asdict(settings),
            "learning_rate": settings.rate,
        }
        if settings.method != "frozen":
            training |= {"best_epoch": found.best_epoch, "history": found.history}
        weights = start._weights if refit else found.weights
        encoder = cls(base, method, weights, found.head, _new_card(base, method, training, corpus, command))
        if start is not None:
            encoder.card["start"] = {"files": start.hashes(), "training": start.card["training"]}
        if "sentiment" in settings.tasks:
            encoder.card["sentiments"] = list(SENTIMENTS)
        encoder._calibrate(messages_train, messages_validation)
        encoder.card["training"]["seconds"] = round(time.perf_counter() - started, 1)
        return encoder

    def _calibrate(self, train: Sequence[Message], validation: Sequence[Message]) -> None:
        """Fit temperature and out-of-scope threshold; both and the figures go into the card."""
        languages, seed = {message.language for message in train}, self.card["training"]["seed"]
        embeddings, held_out, exposed, unseen = (
            pool_all(self.backbone, self.backbone.tokenize(texts)).cpu()
            for texts in (
                *([message.text for message in messages] for messages in (train, validation)),
                *(outliers(split, size, seed, languages=languages) for split, size in OUTLIERS.items()),
            )
        )
        self.set_temperature(self._logits(held_out).cpu().numpy(), targets(validation, "intent"))
        found = self.read(held_out)
        target = targets(train, "intent")
        self.set_scope(Scope.fit(embeddings.numpy(), target, exposed.numpy(), found.embeddings))
        self.card["out_of_scope"]["rejected"] = round(float(1 - self.read(unseen).in_scope.mean()), 4)
        figures = scores([m.intent for m in validation], found.intents)
        self.card["figures"] = {"validation": {key: round(value, 4) for key, value in figures.items()}}

    def set_temperature(self, logits: np.ndarray, target: np.ndarray) -> None:
        """Fit the temperature to held-out logits (n, 9) and intent numbers (n,); the card gets it and the errors."""
        temperature = fit_temperature(logits, target)
        before, after = (expected_calibration_error(softmax(logits, t), target) for t in (1.0, temperature))
        self.card["calibration"] = {
            "temperature": temperature,
            "messages": len(target),
            "expected_calibration_error": {"before": round(before, 4), "after": round(after, 4)},
        }

    def set_scope(self, scope: Scope) -> None:
        """Judge from now on by this score and threshold."""
        self.scope = scope
        self.card["out_of_scope"] = scope.figures()

    @property
    def temperature(self) -> float:
        """By which the intent's logits are divided; 1 for an encoder that was never calibrated."""
        return self.card.get("calibration", {}).get("temperature", 1.0)

    def encode(
        self,
        texts: Sequence[str],
        *,
        batch_size: int = 256,
        precision: str = "fp32",
        cache: EmbeddingCache | None = None,
        progress: bool = False,
    ) -> Encoding:
        """Read texts.

        Args:
            texts: n messages. Beyond 128 tokens only the beginning is read, with a warning; a language that the
                backbone does not know is read all the same, with a warning that names the remedy.
            batch_size: texts at a time; results depend on it only by rounding (1e-6).
            precision: number format of the backbone, see `inference.Reader`.
            cache: where embeddings are looked up and kept between runs.
            progress: show a bar on standard error.

        Raises:
            ValueError: a text that is empty or not a string, with its row number; a precision that this machine
                does not have.
        """
        if isinstance(texts, str):
            raise ValueError(f"texts must be a sequence of messages, got one string: use [{texts[:40]!r}].")
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                raise ValueError(f"row {row} is not text: got {text!r} of type {type(text).__name__}.")
            if not text.strip():
                raise ValueError(f"row {row} is empty: got {text!r}. Drop rows without a message.")
        warn_unknown_languages(texts, self.backbone)
        if precision not in self._readers:
            self._readers[precision] = Reader(self.backbone, precision)
        with progress_bar("encoding", len(texts), progress) as bar:
            embeddings = self._readers[precision].embed(texts, batch_size=batch_size, cache=cache, progress=bar)
        return self.read(embeddings)

    def read(self, embeddings: torch.Tensor) -> Encoding:
        """What the heads say of embeddings (n, w) of this encoder's backbone."""
        probabilities = _softmax(self._logits(embeddings), self.temperature)
        sentiment = familiarity = in_scope = None
        if "sentiment.weight" in self.head:
            sentiment = _softmax(self._logits(embeddings, "sentiment"))
        vectors = embeddings.cpu().numpy()
        if self.scope is not None:
            familiarity = self.scope.score(vectors)
            in_scope = familiarity >= self.scope.threshold
        return Encoding(probabilities, vectors, sentiment, familiarity, in_scope)

    def _logits(self, embeddings: torch.Tensor, task: str = "intent") -> torch.Tensor:
        weight, bias = (self._on_device[head_name(task, key)] for key in ("weight", "bias"))
        return F.linear(embeddings.to(weight.device), weight, bias)

    def _files(self) -> dict[str, bytes]:
        """Content of the files of tensors, by name."""
        tensors = {HEAD_FILE: self.head}
        if self.method in WEIGHT_FILES:
            tensors[WEIGHT_FILES[self.method]] = self._weights
        if self.scope is not None:
            tensors[SCOPE_FILE] = self.scope.tensors()
        return {name: to_safetensors(content) for name, content in tensors.items()}

    def hashes(self) -> dict[str, str]:
        """sha256 of each file of tensors that `save` writes."""
        return {name: hashlib.sha256(content).hexdigest() for name, content in self._files().items()}

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the learned tensors, the heads and card.json. The card comes last and holds the hashes of the
        others, so that an interrupted save is seen by `load`.

        Raises:
            FileExistsError: the folder holds something and `overwrite` is not set.
        """
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not overwrite:
            raise FileExistsError(f"{folder} already holds something: choose another folder, or overwrite it.")
        folder.mkdir(parents=True, exist_ok=True)
        hashes = {}
        for name, content in self._files().items():
            hashes[name] = hashlib.sha256(content).hexdigest()
            write_atomically(folder / name, content)
        card = {**self.card, "files": hashes}
        write_atomically(folder / "card.json", (json.dumps(card, indent=2) + "\n").encode())
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
        _check_same_backbone(base, card, str(folder))
        head = _read_tensors(folder, HEAD_FILE, card)
        wanted = {}
        for task in ("intent", *(("sentiment",) if card.get("sentiments") else ())):
            classes = len(TASKS[task])
            wanted |= {head_name(task, "weight"): (classes, base.width), head_name(task, "bias"): (classes,)}
        shapes = {key: tuple(value.shape) for key, value in head.items()}
        if shapes != wanted:
            raise ValueError(f"{folder / HEAD_FILE} does not fit this card: it holds {shapes}, expected {wanted}.")
        weights = {}
        if card["method"] in WEIGHT_FILES:
            weights = _read_tensors(folder, WEIGHT_FILES[card["method"]], card)
        scope = None
        if figures := card.get("out_of_scope"):
            scope = _read_scope(folder, card, figures, base.width)
        card.pop("files")
        return cls(base, card["method"], weights, head, card, scope)

    @classmethod
    def default(cls, *, device: str = "auto") -> IntentEncoder:
        """The encoder shipped with the project: English, LoRA on MiniLM."""
        with resources.as_file(resources.files("flashsale_env.encoders").joinpath("data", "default")) as folder:
            return cls.load(folder, device=device)


def fine_tune_on_corpus(
    *,
    backbone: str | Path = "minilm",
    method: str = "lora",
    epochs: int = 1,
    seed: int = 0,
    language: str | None = None,
    command: str | None = None,
) -> IntentEncoder:
    """Fine-tune an encoder on the project's corpus and measure it on unseen templates. The default encoder is made so.

    The figures, with those of TF-IDF on the same messages, are in `card["figures"]`. The weights are the same on every
    machine: one thread, and no bf16.

    Args:
        backbone: name, folder or hub id.
        method: one of `METHODS`.
        epochs: passes over the messages.
        seed: of corpus and training.
        language: one of `LANGUAGES` or `MIXED`; None takes all those that the backbone was pretrained on.
        command: kept in the card.

    Raises:
        ValueError: an unknown name, or an argument that is out of range.
    """
    with one_thread():
        if language is None:
            language = language_for(load_backbone(backbone).languages)
        languages = LANGUAGES if language == MIXED else (language,)
        sizes = {"train": DEFAULT_TRAIN * len(languages), "validation": DEFAULT_VALIDATION * len(languages)}
        train, validation = (generate(split, n, seed, language=language) for split, n in sizes.items())
        encoder = IntentEncoder.fine_tune(
            train,
            validation,
            backbone=backbone,
            method=method,
            epochs=epochs,
            seed=seed,
            precision="fp32",  # not every machine has bf16 units
            corpus={"language": language, "seed": seed, **sizes},
            command=command,
        )
        unseen = {code: generate("evaluation", DEFAULT_EVALUATION, seed, language=code) for code in languages}
        found = {code: evaluate(encoder, messages) for code, messages in unseen.items()}
        reference = {code: tfidf_reference(train, messages) for code, messages in unseen.items()}
        encoder.card["figures"] |= {"evaluation": rounded(found), "tfidf_evaluation": rounded(reference)}
    return encoder


def evaluate(encoder: IntentEncoder, messages: Sequence[Message]) -> dict[str, Any]:
    """Accuracy, macro-F1 over the intents present, expected calibration error, and confusion (9, 9): rows true,
    columns predicted."""
    truth = [m.intent for m in messages]
    encoding = encoder.encode([m.text for m in messages])
    return scores(truth, encoding.intents) | {
        "expected_calibration_error": expected_calibration_error(encoding.probabilities, targets(messages, "intent")),
        "confusion": confusion_matrix(truth, encoding.intents, labels=INTENTS).tolist(),
    }


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


def rounded(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Scores by language as a card keeps them."""
    return {
        language: {name: round(value, 4) for name, value in found.items() if name != "confusion"}
        for language, found in figures.items()
    }


def _new_card(
    base: Backbone,
    method: str,
    training: Mapping[str, Any],
    corpus: Mapping[str, Any] | None,
    command: str | None,
) -> dict[str, Any]:
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


def _softmax(logits: torch.Tensor, temperature: float = 1.0) -> np.ndarray:
    return torch.softmax(logits / temperature, 1).cpu().numpy()


def _device(name: str) -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else torch.device(name)


def _check_same_backbone(base: Backbone, card: Mapping[str, Any], what: str) -> None:
    if base.sha256 != card["backbone"]["sha256"]:
        raise ValueError(
            f"{what} was fine-tuned on backbone {card['backbone']['name']!r} with sha256 "
            f"{card['backbone']['sha256']}, but the one found here has {base.sha256}. "
            f"Install that backbone, or fine-tune again on this one."
        )


def _read_scope(folder: Path, card: Mapping[str, Any], figures: Mapping[str, Any], width: int) -> Scope:
    tensors = _read_tensors(folder, SCOPE_FILE, card)
    shapes = {key: tuple(value.shape) for key, value in tensors.items()}
    if shapes != {"weight": (len(INTENTS) + 1, width), "bias": (len(INTENTS) + 1,)}:
        raise ValueError(f"{folder / SCOPE_FILE} does not fit {len(INTENTS)} intents of width {width}: {shapes}.")
    return Scope.of(tensors, figures)


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
    parser = argparse.ArgumentParser(prog="python -m flashsale_env.encoders.text.intent", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write, new or empty")
    parser.add_argument("--seed", type=int, default=0, help="of corpus and training (default 0)")
    parser.add_argument("--backbone", default="minilm", help="name, folder or hub id (default minilm)")
    parser.add_argument("--method", default="lora", choices=METHODS, help="what is trained (default lora)")
    parser.add_argument("--epochs", type=int, default=1, help="passes over the messages (default 1)")
    parser.add_argument("--overwrite", action="store_true", help="replace an encoder that is already there")
    parser.add_argument(
        "--language", choices=(*LANGUAGES, MIXED), help="of the corpus (default: all that the backbone knows)"
    )
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser.parse_args(given)
    try:
        encoder = fine_tune_on_corpus(
            backbone=options.backbone,
            method=options.method,
            epochs=options.epochs,
            seed=options.seed,
            language=options.language,
            command=shlex.join(["python", "-m", "flashsale_env.encoders.text.intent", *given]),
        )
        encoder.save(options.out, overwrite=options.overwrite)
    except (ValueError, FileExistsError) as error:
        parser.error(str(error))
    print(json.dumps({"figures": encoder.card["figures"], "seconds": encoder.card["training"]["seconds"]}, indent=2))


if __name__ == "__main__":
    main()
