"""Zero-shot transfer: figures of an encoder on messages of real shops, which it was not trained on.

Owns    the comparison, on a shop's labelled messages, of an encoder with TF-IDF trained on the same corpus, and the
        detection of messages with none of the nine intents.
Leaves  the encoder to `text`. Only figures are reported, never messages.

The mapping is a TOML file from the shop's labels to intents. Rows with the label "none" or any other label are out of
scope, and counted:

    [labels]
    REFUND_STATUS = "complaint_return"
    PRICE = "bargain_hunting"

    flashsale study transfer shop.csv --mapping mapping.toml --text-column sentence --label-column label

With two or more shops, `--across` also chooses the head's penalty and the temperature on one shop and evaluates them
on the others, for each shop in turn.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, log_loss, roc_auc_score

from flashsale_env.encoders.corpus.generator import Message, generate
from flashsale_env.encoders.corpus.outliers import NONE
from flashsale_env.encoders.records.messages import read_texts
from flashsale_env.encoders.text.calibration import expected_calibration_error, fit_temperature, softmax
from flashsale_env.encoders.text.intent import DEFAULT_TRAIN, IntentEncoder
from flashsale_env.encoders.text.metrics import scores
from flashsale_env.encoders.text.prevalence import estimate_mix
from flashsale_env.encoders.text.tfidf import tfidf_model
from flashsale_env.intents import INTENTS
from flashsale_env.tables import tomllib

__all__ = ["across", "out_of_scope", "read_labelled", "read_mapping", "read_others", "transfer", "transfer_study"]

# scikit-learn's C of the heads that `across` chooses from; held-out templates of the corpus chose 3.
INVERSE_PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


def read_mapping(path: str | Path) -> dict[str, str]:
    """The [labels] table of a TOML file: a shop's label -> one of `INTENTS`, or `NONE`."""
    path = Path(path)
    try:
        labels: dict[str, str] = tomllib.loads(path.read_text(encoding="utf-8"))["labels"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as error:
        raise ValueError(
            f"{path} is not a mapping ({type(error).__name__}: {error}). It must be a TOML file with a "
            f'[labels] table such as PRICE = "bargain_hunting".'
        ) from None
    for label, intent in labels.items():
        if intent not in (*INTENTS, NONE):
            near = difflib.get_close_matches(str(intent), INTENTS, n=1, cutoff=0.0)[0]
            raise ValueError(
                f"{path} maps {label!r} to {intent!r}, which is no intent. Did you mean {near!r}? "
                f"The intents are {', '.join(INTENTS)}; {NONE} is a message with none of them."
            )
    return labels


def read_labelled(
    path: str | Path, mapping: Mapping[str, str], text_column: str, label_column: str
) -> tuple[list[str], list[str], int]:
    """Messages of a file whose label is in the mapping, their intents, and the number of other rows."""
    table = read_texts(path, text_column, label_column).raw
    rows = table[table["label"].isin(_with_intent(mapping)) & (table["text"].str.strip() != "")]
    return rows["text"].tolist(), [mapping[label] for label in rows["label"]], len(table) - len(rows)


def read_others(path: str | Path, mapping: Mapping[str, str], text_column: str, label_column: str) -> list[str]:
    """Messages of a file whose label is not in the mapping: the encoder should find them out of scope."""
    table = read_texts(path, text_column, label_column).raw
    texts: list[str] = table["text"][
        ~table["label"].isin(_with_intent(mapping)) & (table["text"].str.strip() != "")
    ].tolist()
    return texts


def _with_intent(mapping: Mapping[str, str]) -> list[str]:
    return [label for label, intent in mapping.items() if intent != NONE]


def out_of_scope(encoder: IntentEncoder, texts: Sequence[str], others: Sequence[str]) -> dict[str, float]:
    """How well the out-of-scope score separates messages with one of the nine intents from messages with none.

    Args:
        encoder: with a fitted score.
        texts: messages with an intent.
        others: messages without one.

    Returns:
        "auroc": area under the ROC curve, the probability that a message in scope scores above one out of scope;
        "accepted": share of `texts` above the threshold; "rejected": share of `others` below it; "rows" and "others":
        their numbers.

    Raises:
        ValueError: one of the two is empty, or the encoder has no out-of-scope score.
    """
    if not len(texts) or not len(others):
        raise ValueError(f"needs messages in and out of scope, got {len(texts)} and {len(others)}.")
    inside, outside = encoder.encode(texts), encoder.encode(others)
    if inside.in_scope is None or inside.scope_score is None or outside.in_scope is None or outside.scope_score is None:
        raise ValueError("this encoder has no out-of-scope score: fine-tune it again to fit one.")
    truth = np.repeat([1, 0], [len(texts), len(others)])
    return {
        "auroc": float(roc_auc_score(truth, np.concatenate([inside.scope_score, outside.scope_score]))),
        "accepted": float(inside.in_scope.mean()),
        "rejected": float(1 - outside.in_scope.mean()),
        "rows": len(texts),
        "others": len(others),
    }


def transfer(encoder: IntentEncoder, shops: Mapping[str, tuple[list[str], list[str]]]) -> dict[str, Any]:
    """Accuracy and macro-F1 over the intents present, by shop and for all shops together.

    Args:
        encoder: the encoder to evaluate.
        shops: name -> (texts, intents).

    Returns:
        {name or "all": {"rows", "encoder": {"accuracy", "macro_f1"}, "expected_calibration_error", "tfidf": {...},
        "mix": total variation between the true shares of the intents and those "counted" or "corrected" (see
        `text.prevalence`), "confusion" (9, 9): rows true, columns predicted}}. The baseline is TF-IDF with logistic
        regression, trained on the encoder's own corpus.
    """
    reference = tfidf_model(_corpus(encoder))
    rows: dict[str, tuple[list[str], npt.NDArray[np.float32], list[str]]] = {}
    for name, (texts, intents) in shops.items():
        rows[name] = intents, encoder.encode(texts).probabilities, list(reference.predict(texts))
    if len(rows) > 1:
        truths, probabilities, baselines = zip(*rows.values(), strict=True)
        rows["all"] = list(chain(*truths)), np.concatenate(probabilities), list(chain(*baselines))
    found = {}
    for name, (truth, probability, baseline) in rows.items():
        guess = [INTENTS[i] for i in probability.argmax(axis=1)]
        numbers = np.array([INTENTS.index(intent) for intent in truth])
        found[name] = {
            "rows": len(truth),
            "encoder": scores(truth, guess),
            "expected_calibration_error": expected_calibration_error(probability, numbers),
            "tfidf": scores(truth, baseline),
            "mix": {
                "counted": _total_variation(_shares(probability.argmax(axis=1)), _shares(numbers)),
                "corrected": _total_variation(estimate_mix(probability, encoder.prior).share, _shares(numbers)),
            },
            "confusion": confusion_matrix(truth, guess, labels=INTENTS).tolist(),
        }
    return found


def _shares(numbers: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    return np.bincount(numbers, minlength=len(INTENTS)) / len(numbers)


def _total_variation(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    return float(0.5 * np.abs(a - b).sum())


def across(encoder: IntentEncoder, shops: Mapping[str, tuple[list[str], list[str]]]) -> dict[str, Any]:
    """The gain from tuning on one shop, measured on the other shops.

    The candidates are the encoder's own head, and heads fitted to the encoder's corpus with the penalties
    `INVERSE_PENALTIES`, each with its best temperature for the tuning shop. The log loss on that shop chooses.

    Args:
        encoder: whose embeddings are used.
        shops: two or more, name -> (texts, intents).

    Returns:
        {name of the tuning shop: {"head": "as it is" or the inverse penalty, "temperature",
        "others": {name: {"before" and "after": {"accuracy", "macro_f1", "expected_calibration_error"}}}}}.

    Raises:
        ValueError: fewer than two shops.
    """
    if len(shops) < 2:
        raise ValueError(f"tuning on one shop and testing on another takes two, got {', '.join(shops) or 'none'}.")
    corpus = _corpus(encoder)
    learned = encoder.encode([message.text for message in corpus]).embeddings
    heads: dict[str | float, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]] = {
        "as it is": (encoder.head["weight"].numpy(), encoder.head["bias"].numpy())
    }
    for penalty in INVERSE_PENALTIES:
        model = LogisticRegression(C=penalty, max_iter=2000)
        model.fit(learned, [INTENTS.index(message.intent) for message in corpus])
        heads[penalty] = model.coef_, model.intercept_
    logits, target = {}, {}
    for name, (texts, intents) in shops.items():
        embeddings = encoder.encode(texts).embeddings
        logits[name] = {head: embeddings @ weight.T + bias for head, (weight, bias) in heads.items()}
        target[name] = np.array([INTENTS.index(intent) for intent in intents])

    def figures(name: str, head: str | float, temperature: float) -> dict[str, float]:
        probabilities = softmax(logits[name][head], temperature)
        truth, guess = ([INTENTS[i] for i in numbers] for numbers in (target[name], probabilities.argmax(axis=1)))
        error = expected_calibration_error(probabilities, target[name])
        return scores(truth, guess) | {"expected_calibration_error": error}

    found = {}
    for chooser in shops:
        suited = {head: fit_temperature(rows, target[chooser]) for head, rows in logits[chooser].items()}
        loss = {
            head: log_loss(target[chooser], softmax(logits[chooser][head], t), labels=range(len(INTENTS)))
            for head, t in suited.items()
        }
        best = min(loss, key=lambda head: loss[head])
        found[chooser] = {
            "head": best,
            "temperature": suited[best],
            "others": {
                name: {
                    "before": figures(name, "as it is", encoder.temperature),
                    "after": figures(name, best, suited[best]),
                }
                for name in shops
                if name != chooser
            },
        }
    return found


def _corpus(encoder: IntentEncoder) -> list[Message]:
    """Generated messages, as many as the encoder was trained on and with its seed."""
    drawn = encoder.card.get("corpus", {})
    return generate(
        "train", drawn.get("train", DEFAULT_TRAIN), drawn.get("seed", 0), language=drawn.get("language", "en")
    )


def transfer_study(
    files: Sequence[Path],
    mapping: Path,
    *,
    text_column: str,
    label_column: str,
    encoder: Path | None = None,
    tune_across: bool = False,
) -> dict[str, Any]:
    """All figures of an encoder on the labelled messages of real shops.

    Args:
        files: CSV files, one a shop; a shop is named after its file.
        mapping: TOML file, [labels] label = intent.
        text_column, label_column: columns of the messages and of the shop's labels.
        encoder: folder of a saved encoder; None takes the shipped one.
        tune_across: also tune on each shop and measure on the others.

    Returns:
        "shops": see `transfer`; "out_of_scope_rows": rows with another label or no text; "out_of_scope": by shop, see
        `out_of_scope`, empty for an encoder without a threshold; "across": see `across`, empty unless asked for.

    Raises:
        ValueError: a file that cannot be read, a missing column, or a shop without a message whose label is mapped.
    """
    labels = read_mapping(mapping)
    shops, others, ignored = {}, {}, 0
    for path in files:
        texts, intents, ignored_here = read_labelled(path, labels, text_column, label_column)
        if not texts:
            raise ValueError(f"{path} has no message whose label is in {mapping}.")
        shops[path.stem] = texts, intents
        others[path.stem] = read_others(path, labels, text_column, label_column)
        ignored += ignored_here
    model = IntentEncoder.load(encoder) if encoder else IntentEncoder.default()
    rejected = {}
    if model.scope is not None:
        rejected = {name: out_of_scope(model, shops[name][0], rows) for name, rows in others.items() if rows}
    return {
        "shops": transfer(model, shops),
        "out_of_scope_rows": ignored,
        "out_of_scope": rejected,
        "across": across(model, shops) if tune_across else {},
    }
