"""Zero-shot transfer: how well an encoder reads real customers it was never trained on.

Owns    the comparison, on a shop's labelled messages, of an encoder with TF-IDF trained on the same corpus, and how
        well the encoder tells the messages that are none of the nine intents.
Leaves  the encoder to `intent`. The messages stay where they are; only figures come out.

The mapping is a TOML file that says which intent each of the shop's labels means; rows with any other label
are out of scope and counted:

    [labels]
    REFUND_STATUS = "complaint_return"
    PRICE = "bargain_hunting"

    python -m flashsale_env.encoders.studies.transfer shop.csv --mapping mapping.toml \
        --text-column sentence --label-column label

With two shops or more, `--across` also chooses the penalty of the head and the temperature on one shop and measures
what was chosen on the others, each shop in turn.
"""

from __future__ import annotations

import argparse
import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, log_loss, roc_auc_score

from flashsale_env.encoders.corpus.generator import Message, generate
from flashsale_env.encoders.text.calibration import expected_calibration_error, fit_temperature, softmax
from flashsale_env.encoders.text.intent import DEFAULT_TRAIN, IntentEncoder, scores, tfidf_model
from flashsale_env.intents import INTENTS
from flashsale_env.tables import tomllib

__all__ = ["across", "out_of_scope", "read_labelled", "read_mapping", "read_others", "transfer", "transfer_study"]

# scikit-learn's C of the heads that `across` chooses from; the corpus's own templates chose 3.
INVERSE_PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


def read_mapping(path: str | Path) -> dict[str, str]:
    """The [labels] table of a TOML file: a shop's label -> one of `INTENTS`."""
    path = Path(path)
    try:
        labels = tomllib.loads(path.read_text(encoding="utf-8"))["labels"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as error:
        raise ValueError(
            f"{path} is not a mapping ({type(error).__name__}: {error}). It must be a TOML file with a "
            f'[labels] table such as PRICE = "bargain_hunting".'
        ) from None
    for label, intent in labels.items():
        if intent not in INTENTS:
            near = difflib.get_close_matches(str(intent), INTENTS, n=1, cutoff=0.0)[0]
            raise ValueError(
                f"{path} maps {label!r} to {intent!r}, which is no intent. Did you mean {near!r}? "
                f"The intents are {', '.join(INTENTS)}."
            )
    return labels


def read_labelled(
    path: str | Path, mapping: Mapping[str, str], text_column: str, label_column: str
) -> tuple[list[str], list[str], int]:
    """Messages of a CSV file whose label is in the mapping, their intents, and the number of other rows."""
    table = _read_table(path, text_column, label_column)
    rows = table[table[label_column].isin(list(mapping)) & (table[text_column].str.strip() != "")]
    return (
        rows[text_column].tolist(),
        [mapping[label] for label in rows[label_column]],
        len(table) - len(rows),
    )


def read_others(path: str | Path, mapping: Mapping[str, str], text_column: str, label_column: str) -> list[str]:
    """Messages of a CSV file whose label is not in the mapping: what the encoder should call out of scope."""
    table = _read_table(path, text_column, label_column)
    return table[~table[label_column].isin(list(mapping)) & (table[text_column].str.strip() != "")][
        text_column
    ].tolist()


def _read_table(path: str | Path, text_column: str, label_column: str) -> pd.DataFrame:
    try:
        # "NA" and "null" are things that customers type, not gaps.
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path} does not read as a UTF-8 CSV file ({type(error).__name__}: {error}).") from None
    for column in (text_column, label_column):
        if column not in table:
            near = difflib.get_close_matches(column, list(table.columns), n=1, cutoff=0.0)
            raise ValueError(
                f"{path} has no column {column!r}; it has {', '.join(table.columns)}. Did you mean {near[0]!r}?"
            )
    return table


def out_of_scope(encoder: IntentEncoder, texts: Sequence[str], others: Sequence[str]) -> dict[str, float]:
    """How well the encoder tells messages with one of the nine intents from messages with none.

    Args:
        encoder: with a fitted scope.
        texts: messages that have an intent.
        others: messages that have none.

    Returns:
        "auroc": chance that a message in scope looks more familiar than one out of scope; "accepted": share of `texts`
        that pass the encoder's threshold; "rejected": share of `others` that do not; "rows" and "others": how many.

    Raises:
        ValueError: one of the two is empty, or the encoder has no threshold.
    """
    if not len(texts) or not len(others):
        raise ValueError(f"needs messages in and out of scope, got {len(texts)} and {len(others)}.")
    inside, outside = encoder.encode(texts), encoder.encode(others)
    if inside.in_scope is None:
        raise ValueError("this encoder has no out-of-scope threshold: fine-tune it again to fit one.")
    truth = np.repeat([1, 0], [len(texts), len(others)])
    return {
        "auroc": float(roc_auc_score(truth, np.concatenate([inside.familiarity, outside.familiarity]))),
        "accepted": float(inside.in_scope.mean()),
        "rejected": float(1 - outside.in_scope.mean()),
        "rows": len(texts),
        "others": len(others),
    }


def transfer(encoder: IntentEncoder, shops: Mapping[str, tuple[list[str], list[str]]]) -> dict[str, Any]:
    """Accuracy and macro-F1 over the intents present, by shop and for all shops together.

    Args:
        encoder: what reads.
        shops: name -> (texts, intents).

    Returns:
        {name or "all": {"rows", "encoder": {"accuracy", "macro_f1"}, "expected_calibration_error", "tfidf": {...},
        "confusion" (9, 9): rows true, columns predicted}}. The reference is TF-IDF and logistic regression on the
        corpus of the encoder's own seed and size.
    """
    reference = tfidf_model(_corpus(encoder))
    rows = {}
    for name, (texts, intents) in shops.items():
        probabilities = encoder.encode(texts).probabilities
        rows[name] = np.array(intents), probabilities, reference.predict(texts)
    if len(rows) > 1:
        rows["all"] = tuple(np.concatenate(column) for column in zip(*rows.values(), strict=True))
    return {
        name: {
            "rows": len(truth),
            "encoder": scores(truth, np.array(INTENTS)[probabilities.argmax(axis=1)]),
            "expected_calibration_error": expected_calibration_error(
                probabilities, np.array([INTENTS.index(intent) for intent in truth])
            ),
            "tfidf": scores(truth, counted),
            "confusion": confusion_matrix(
                truth, np.array(INTENTS)[probabilities.argmax(axis=1)], labels=INTENTS
            ).tolist(),
        }
        for name, (truth, probabilities, counted) in rows.items()
    }


def across(encoder: IntentEncoder, shops: Mapping[str, tuple[list[str], list[str]]]) -> dict[str, Any]:
    """What is gained by tuning on one shop, measured on shops that chose nothing.

    A shop chooses, by the log loss of its rows, among the encoder's own head and heads fitted to the encoder's corpus
    with the penalties `INVERSE_PENALTIES`, each with the temperature that suits the shop.

    Args:
        encoder: whose embeddings are used.
        shops: two or more, name -> (texts, intents).

    Returns:
        {name of the shop that chose: {"head": "as it is" or the inverse penalty, "temperature",
        "others": {name: {"before" and "after": {"accuracy", "macro_f1", "expected_calibration_error"}}}}}.

    Raises:
        ValueError: fewer than two shops.
    """
    if len(shops) < 2:
        raise ValueError(f"tuning on one shop and measuring on another takes two, got {', '.join(shops) or 'none'}.")
    corpus = _corpus(encoder)
    learned = encoder.encode([message.text for message in corpus]).embeddings
    heads: dict[str | float, tuple[np.ndarray, np.ndarray]] = {
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
        truth, guess = (np.array(INTENTS)[number] for number in (target[name], probabilities.argmax(axis=1)))
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
    """The generated messages that the encoder learned from."""
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
        ValueError: a file that does not read, a missing column, a shop without a mapped message.
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure an encoder on labelled messages of real shops."""
    parser = argparse.ArgumentParser(prog="python -m flashsale_env.encoders.studies.transfer", description=main.__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="CSV files, one a shop")
    parser.add_argument("--mapping", type=Path, required=True, help="TOML file, [labels] label = intent")
    parser.add_argument("--text-column", required=True, help="column of the messages")
    parser.add_argument("--label-column", required=True, help="column of the shop's labels")
    parser.add_argument("--encoder", type=Path, metavar="DIR", help="a saved encoder (default: the shipped one)")
    parser.add_argument("--across", action="store_true", help="also tune on each shop and measure on the others")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        study = transfer_study(
            options.files,
            options.mapping,
            text_column=options.text_column,
            label_column=options.label_column,
            encoder=options.encoder,
            tune_across=options.across,
        )
    except ValueError as error:
        parser.error(str(error))
    if options.json:
        print(json.dumps(study, indent=2))
        return
    print(f"{'':28}{'rows':>6}   {'encoder':^17}   {'tf-idf':^17}   {'encoder':>8}")
    print(f"{'':28}{'':>6}   {'accuracy':>8} {'macro-F1':>8}   {'accuracy':>8} {'macro-F1':>8}   {'ECE':>8}")
    for name, row in study["shops"].items():
        figures = "   ".join(f"{row[of]['accuracy']:8.3f} {row[of]['macro_f1']:8.3f}" for of in ("encoder", "tfidf"))
        print(f"{name:28}{row['rows']:6}   {figures}   {row['expected_calibration_error']:8.3f}")
    print(f"{study['out_of_scope_rows']} rows with other labels or no text are out of scope.")
    for name, row in study["out_of_scope"].items():
        print(
            f"{name}: AUROC of in scope against out of scope {row['auroc']:.3f}; at the encoder's threshold "
            f"{row['rejected']:.0%} of {row['others']} rejected, {row['accepted']:.0%} of {row['rows']} accepted."
        )
    for name, choice in study["across"].items():
        head = choice["head"] if choice["head"] == "as it is" else f"C = {choice['head']:g}"
        for other, row in choice["others"].items():
            shown = " -> ".join(
                f"accuracy {figures['accuracy']:.3f}, macro-F1 {figures['macro_f1']:.3f}, "
                f"ECE {figures['expected_calibration_error']:.3f}"
                for figures in (row["before"], row["after"])
            )
            print(f"tuned on {name} (head {head}, temperature {choice['temperature']:.2f}), on {other}: {shown}")


if __name__ == "__main__":
    main()
