"""The intent encoder: a fine-tuned BERT that classifies customers' messages.

Owns    the map text -> (intent and sentiment probabilities, in scope or not, embedding), and the recipe of the default.
Leaves  the messages to `corpus`, the pretrained weights to `backbone`, fine-tuning to `training`, the temperature to
        `calibration`, the out-of-scope score to `scope`, and files to `storage`.
Axes    n texts, 9 intents in the order of `INTENTS`, w the backbone's width.

The embedding is the mean of the fine-tuned backbone's last layer over the tokens, scaled to length 1. It still carries
which product a message names, so the demand model uses the same vector as the intent head.

    flashsale study intent-encoder --out DIR                           fine-tunes the default encoder and saves it
    flashsale study intent-encoder --out DIR --backbone multilingual   in all languages of the corpus
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from sklearn.metrics import confusion_matrix

from flashsale_env.encoders.corpus.generator import MIXED, VERSION, Message, generate, language_for
from flashsale_env.encoders.corpus.outliers import OUTLIERS, outliers
from flashsale_env.encoders.corpus.phrases import LANGUAGES, SENTIMENTS
from flashsale_env.encoders.devices import device_named, one_thread
from flashsale_env.encoders.progress import progress_bar
from flashsale_env.encoders.text import storage
from flashsale_env.encoders.text.backbone import Backbone, load_backbone
from flashsale_env.encoders.text.calibration import expected_calibration_error, fit_temperature, softmax
from flashsale_env.encoders.text.embedding_cache import EmbeddingCache
from flashsale_env.encoders.text.heads import head_name, targets
from flashsale_env.encoders.text.inference import Reader, pool_all
from flashsale_env.encoders.text.language import warn_unknown_languages
from flashsale_env.encoders.text.metrics import rounded, scores
from flashsale_env.encoders.text.scope import Scope
from flashsale_env.encoders.text.tfidf import tfidf_reference
from flashsale_env.encoders.text.training import FineTuning, tune
from flashsale_env.encoders.text.weights import with_weights
from flashsale_env.errors import unknown_name
from flashsale_env.intents import INTENTS

__all__ = ["Encoding", "IntentEncoder", "evaluate", "fine_tune_on_corpus"]

# Messages of the default encoder, for each language of its corpus; its card says how long fine-tuning took.
DEFAULT_TRAIN, DEFAULT_VALIDATION, DEFAULT_EVALUATION = 5400, 900, 1800


@dataclass(frozen=True)
class Encoding:
    """The output of the encoder for n texts, in their order."""

    probabilities: npt.NDArray[np.float32]  # (n, 9) calibrated, rows sum to 1
    embeddings: npt.NDArray[np.float32]  # (n, w) rows of length 1
    sentiment: npt.NDArray[np.float32] | None = None  # (n, 3) in the order of `SENTIMENTS`; None without that head
    scope_score: npt.NDArray[np.float32] | None = None  # (n,) see `Scope.score`; None if no score was fitted
    in_scope: npt.NDArray[np.bool_] | None = None  # (n,) has one of the nine intents; None if no score was fitted

    @property
    def intents(self) -> list[str]:
        """The most probable intent of each text."""
        return [INTENTS[i] for i in self.probabilities.argmax(1)]


class IntentEncoder:
    """A backbone with its fine-tuned weights, and linear heads on its embedding.

    Made by `fine_tune`, `load` or `default`. `card` records how it was made and its figures.
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
        """Assemble the parts.

        Args:
            backbone: as pretrained; it is not changed.
            method: one of `METHODS`.
            weights: fine-tuned, see `Tuned`.
            head: weight (9, w) and bias (9,) of the intent head, and those of the other heads by `head_name`.
            card: how the encoder was made.
            scope: the out-of-scope score.
        """
        self.backbone = with_weights(backbone, method, weights)
        self.method = method
        self.card = dict(card)
        self.scope = scope
        self._readers: dict[str, Reader] = {}  # by precision, made at first use
        self._weights = {key: value.detach().cpu().contiguous() for key, value in weights.items()}
        self._set_head(head)

    def _set_head(self, head: Mapping[str, torch.Tensor]) -> None:
        self.head = {key: value.detach().float().cpu().contiguous() for key, value in head.items()}
        self._on_device = {key: value.to(self.backbone.model.device) for key, value in self.head.items()}

    def with_head(self, head: Mapping[str, torch.Tensor], card: Mapping[str, Any]) -> IntentEncoder:
        """An encoder with the same backbone and other heads, without temperature and out-of-scope score."""
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
        """Train an encoder, then fit its temperature and its out-of-scope score. See `training.tune`.

        Args:
            messages_train: every intent must occur.
            messages_validation: choose the epoch, the temperature and the out-of-scope threshold. Use other templates
                than in training; on known phrasing all three are biased.
            settings: None takes the defaults of `FineTuning`.
            backbone: see `load_backbone`; None takes "minilm", or the backbone of `start`.
            start: an encoder to continue from, with the same method; "frozen" refits only its heads.
            device: "auto" takes CUDA if available.
            progress: show a bar on standard error.
            corpus, command: recorded on the card.
            checkpoint, checkpoint_every: folder of the checkpoint from which a killed run resumes, and steps between
                two checkpoints.
            changes: fields of `FineTuning` that differ from `settings`.

        Raises:
            ValueError: an intent without messages, an unknown name, a size that is not positive, or a `start` with
                another method or backbone.
        """
        known = asdict(settings or FineTuning())
        for name in changes:
            if name not in known:
                raise ValueError(unknown_name("setting of FineTuning", name, known))
        settings = replace(settings or FineTuning(), **changes)
        started = time.perf_counter()
        if backbone is None:
            backbone = "minilm" if start is None else start.card["backbone"]["name"]
        base = load_backbone(backbone, device=device_named(device))
        if start is not None:
            storage.check_same_backbone(base, start.card, "start")
            if start.method != settings.method and "frozen" not in (start.method, settings.method):
                raise ValueError(
                    f"start was fine-tuned with method {start.method!r}, which {settings.method!r} cannot continue: "
                    f"use method={start.method!r}, or 'frozen' to refit its heads."
                )
        refit = start if settings.method == "frozen" else None
        found = tune(
            base if refit is None else with_weights(base, refit.method, refit._weights),
            messages_train,
            messages_validation,
            settings,
            weights=None if start is None or refit is not None else start._weights,
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
        method, weights = (settings.method, found.weights) if refit is None else (refit.method, refit._weights)
        encoder = cls(base, method, weights, found.head, storage.new_card(base, method, training, corpus, command))
        if start is not None:
            encoder.card["start"] = {"files": start.hashes(), "training": start.card["training"]}
        if "sentiment" in settings.tasks:
            encoder.card["sentiments"] = list(SENTIMENTS)
        encoder._calibrate(messages_train, messages_validation)
        encoder.card["training"]["seconds"] = round(time.perf_counter() - started, 1)
        return encoder

    def _calibrate(self, train: Sequence[Message], validation: Sequence[Message]) -> None:
        """Fit temperature and out-of-scope score, and record them with the validation figures on the card."""
        languages, seed = {message.language for message in train}, self.card["training"]["seed"]
        embeddings, held_out, outside, outside_held_out = (
            pool_all(self.backbone, self.backbone.tokenize(texts)).cpu()
            for texts in (
                *([message.text for message in messages] for messages in (train, validation)),
                *(outliers(split, size, seed, languages=languages) for split, size in OUTLIERS.items()),
            )
        )
        self.set_temperature(self._logits(held_out).cpu().numpy(), targets(validation, "intent"))
        found = self.classify(held_out)
        self.set_scope(Scope.fit(embeddings.numpy(), targets(train, "intent"), outside.numpy(), found.embeddings))
        accepted = self.classify(outside_held_out).in_scope
        assert accepted is not None
        self.card["out_of_scope"]["rejected"] = round(float(1 - accepted.mean()), 4)
        figures = scores([m.intent for m in validation], found.intents)
        self.card["figures"] = {"validation": {key: round(value, 4) for key, value in figures.items()}}

    def set_temperature(self, logits: npt.NDArray[np.floating], target: npt.NDArray[np.integer]) -> None:
        """Fit the temperature to held-out logits (n, 9) and class numbers (n,), and record it on the card."""
        temperature = fit_temperature(logits, target)
        before, after = (expected_calibration_error(softmax(logits, t), target) for t in (1.0, temperature))
        self.card["calibration"] = {
            "temperature": temperature,
            "messages": len(target),
            "expected_calibration_error": {"before": round(before, 4), "after": round(after, 4)},
        }

    def set_scope(self, scope: Scope) -> None:
        """Use this out-of-scope score, and record it on the card."""
        self.scope = scope
        self.card["out_of_scope"] = scope.figures()

    @property
    def temperature(self) -> float:
        """Divisor of the intent logits; 1 for an encoder without calibration."""
        return float(self.card.get("calibration", {}).get("temperature", 1.0))

    @property
    def prior(self) -> npt.NDArray[np.float64]:
        """(9,) mix of the messages that the intent head was fitted to; equal shares where the card names none."""
        return np.array(self.card.get("prior", [1 / len(INTENTS)] * len(INTENTS)))

    def encode(
        self,
        texts: Sequence[str],
        *,
        batch_size: int = 256,
        precision: str = "fp32",
        cache: EmbeddingCache | None = None,
        progress: bool = False,
    ) -> Encoding:
        """Classify and embed texts.

        Args:
            texts: n messages. Of a message with more than 128 tokens only the beginning and the end are used, with a
                warning. A language that the backbone was not trained on gives a warning with the remedy.
            batch_size: texts at a time; it changes the result only by rounding (1e-6).
            precision: number format of the backbone, see `inference.Reader`.
            cache: where embeddings are looked up and kept between runs.
            progress: show a bar on standard error.

        Raises:
            ValueError: a text is empty or not a string (the error gives its row), or the hardware does not support the
                precision.
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
        with progress_bar("encoding", len(texts), progress) as advance:
            embeddings = self._readers[precision].embed(texts, batch_size=batch_size, cache=cache, progress=advance)
        return self.classify(embeddings)

    def classify(self, embeddings: torch.Tensor) -> Encoding:
        """The output of the heads for embeddings (n, w) of this encoder's backbone."""
        probabilities = _softmax(self._logits(embeddings), self.temperature)
        sentiment = scope_score = in_scope = None
        if "sentiment.weight" in self.head:
            sentiment = _softmax(self._logits(embeddings, "sentiment"))
        vectors = embeddings.cpu().numpy()
        if self.scope is not None:
            scope_score = self.scope.score(vectors)
            in_scope = scope_score >= self.scope.threshold
        return Encoding(probabilities, vectors, sentiment, scope_score, in_scope)

    def _logits(self, embeddings: torch.Tensor, task: str = "intent") -> torch.Tensor:
        weight, bias = (self._on_device[head_name(task, key)] for key in ("weight", "bias"))
        return F.linear(embeddings.to(weight.device), weight, bias)

    def _contents(self) -> dict[str, bytes]:
        return storage.contents(self.method, self._weights, self.head, self.scope)

    def hashes(self) -> dict[str, str]:
        """sha256 of each file of tensors that `save` writes."""
        return storage.hashes(self._contents())

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the fine-tuned weights, the heads and the card.

        Raises:
            FileExistsError: the folder is not empty and `overwrite` is not set.
        """
        folder = Path(folder)
        storage.write(folder, self._contents(), self.card, overwrite=overwrite)
        return folder

    @classmethod
    def load(cls, folder: str | Path, *, backbone: str | Path | None = None, device: str = "auto") -> IntentEncoder:
        """Read a saved encoder.

        Args:
            folder: as `save` wrote it.
            backbone: name or folder of its backbone, if that has moved; None takes the one on the card.
            device: "auto" takes CUDA if available.

        Raises:
            ValueError: a file is missing, changed or truncated, the backbone is another one than in training, or the
                intents have another order.
        """
        folder = Path(folder)
        card = storage.read_card(folder)
        base = load_backbone(backbone or card["backbone"]["name"], device=device_named(device))
        storage.check_same_backbone(base, card, str(folder))
        head = storage.read_heads(folder, card, base.width)
        weights = storage.read_weights(folder, card)
        scope = storage.read_scope(folder, card, base.width)
        card.pop("files")
        return cls(base, card["method"], weights, head, card, scope)

    @classmethod
    def default(cls, *, device: str = "auto") -> IntentEncoder:
        """The encoder that ships with the package: English, LoRA on MiniLM."""
        with resources.as_file(resources.files("flashsale_env.encoders").joinpath("data", "default")) as folder:
            return cls.load(folder, device=device)


def _softmax(logits: torch.Tensor, temperature: float = 1.0) -> npt.NDArray[np.float32]:
    # In torch rather than `calibration.softmax`, so that float32 stays float32.
    return torch.softmax(logits / temperature, 1).cpu().numpy()


def evaluate(encoder: IntentEncoder, messages: Sequence[Message]) -> dict[str, Any]:
    """Accuracy, macro-F1 over the intents present, expected calibration error, and confusion matrix (9, 9) with rows
    true, columns predicted."""
    truth = [m.intent for m in messages]
    encoding = encoder.encode([m.text for m in messages])
    return scores(truth, encoding.intents) | {
        "expected_calibration_error": expected_calibration_error(encoding.probabilities, targets(messages, "intent")),
        "confusion": confusion_matrix(truth, encoding.intents, labels=INTENTS).tolist(),
    }


def fine_tune_on_corpus(
    *,
    backbone: str | Path = "minilm",
    method: str = "lora",
    epochs: int = 1,
    seed: int = 0,
    language: str | None = None,
    command: str | None = None,
) -> IntentEncoder:
    """Fine-tune an encoder on the generated corpus and evaluate it on unseen templates: the recipe of the default.

    The figures, with those of TF-IDF on the same messages, are in `card["figures"]`. To give the same weights on every
    machine, training runs on one thread and without bf16.

    Args:
        backbone: name, folder or hub id.
        method: one of `METHODS`.
        epochs: passes over the messages.
        seed: of corpus and training.
        language: one of `LANGUAGES`, or `MIXED`; None takes all that the backbone was pretrained on.
        command: recorded on the card.

    Raises:
        ValueError: an unknown name, or a number out of range.
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
            precision="fp32",
            corpus={"version": VERSION, "language": language, "seed": seed, **sizes},
            command=command,
        )
        unseen = {code: generate("evaluation", DEFAULT_EVALUATION, seed, language=code) for code in languages}
        found = {code: evaluate(encoder, messages) for code, messages in unseen.items()}
        reference = {code: tfidf_reference(train, messages) for code, messages in unseen.items()}
        encoder.card["figures"] |= {"evaluation": rounded(found), "tfidf_evaluation": rounded(reference)}
    return encoder
