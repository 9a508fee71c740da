"""Zero-shot transfer: how well an encoder reads real customers it was never trained on.

Owns    the comparison, on a shop's labelled messages, of an encoder with TF-IDF trained on the same corpus.
Leaves  the encoder to `intent`. The messages stay where they are; only figures come out.

The mapping is a TOML file that says which intent each of the shop's labels means; rows with any other label
are out of scope and counted:

    [labels]
    REFUND_STATUS = "complaint_return"
    PRICE = "bargain_hunting"

    python -m encoders.transfer shop.csv --mapping mapping.toml --text-column sentence --label-column label
"""

from __future__ import annotations

import argparse
import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from encoders.corpus import generate
from encoders.intent import DEFAULT_TRAIN, IntentEncoder, scores, tfidf_model
from flashsale_env.intents import INTENTS

__all__ = ["read_labelled", "read_mapping", "transfer"]


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
    rows = table[table[label_column].isin(list(mapping)) & (table[text_column].str.strip() != "")]
    return (
        rows[text_column].tolist(),
        [mapping[label] for label in rows[label_column]],
        len(table) - len(rows),
    )


def transfer(encoder: IntentEncoder, shops: Mapping[str, tuple[list[str], list[str]]]) -> dict[str, Any]:
    """Accuracy and macro-F1 over the intents present, by shop and for all shops together.

    Args:
        encoder: what reads.
        shops: name -> (texts, intents).

    Returns:
        {name or "all": {"rows", "encoder": {"accuracy", "macro_f1"}, "tfidf": {...}}}. The reference is
        TF-IDF and logistic regression on the corpus of the encoder's own seed and size.
    """
    corpus = encoder.card.get("corpus", {})
    reference = tfidf_model(generate("train", corpus.get("train", DEFAULT_TRAIN), corpus.get("seed", 0)))
    guesses = {
        name: (intents, encoder.encode(texts).intents, list(reference.predict(texts)))
        for name, (texts, intents) in shops.items()
    }
    if len(guesses) > 1:
        columns = zip(*guesses.values(), strict=True)
        guesses["all"] = tuple([x for shop in column for x in shop] for column in columns)
    return {
        name: {"rows": len(truth), "encoder": scores(truth, read), "tfidf": scores(truth, counted)}
        for name, (truth, read, counted) in guesses.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure an encoder on labelled messages of real shops."""
    parser = argparse.ArgumentParser(prog="python -m encoders.transfer", description=main.__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="CSV files, one a shop")
    parser.add_argument("--mapping", type=Path, required=True, help="TOML file, [labels] label = intent")
    parser.add_argument("--text-column", required=True, help="column of the messages")
    parser.add_argument("--label-column", required=True, help="column of the shop's labels")
    parser.add_argument("--encoder", type=Path, metavar="DIR", help="a saved encoder (default: the shipped one)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        mapping = read_mapping(options.mapping)
        shops, ignored = {}, 0
        for path in options.files:
            texts, intents, others = read_labelled(path, mapping, options.text_column, options.label_column)
            if not texts:
                raise ValueError(f"{path} has no message whose label is in {options.mapping}.")
            shops[path.stem] = texts, intents
            ignored += others
        encoder = IntentEncoder.load(options.encoder) if options.encoder else IntentEncoder.default()
        result = transfer(encoder, shops)
    except ValueError as error:
        parser.error(str(error))
    if options.json:
        print(json.dumps({"shops": result, "out_of_scope_rows": ignored}, indent=2))
        return
    print(f"{'':28}{'rows':>6}   {'encoder':^17}   {'tf-idf':^17}")
    print(f"{'':28}{'':>6}   {'accuracy':>8} {'macro-F1':>8}   {'accuracy':>8} {'macro-F1':>8}")
    for name, row in result.items():
        figures = "   ".join(f"{row[of]['accuracy']:8.3f} {row[of]['macro_f1']:8.3f}" for of in ("encoder", "tfidf"))
        print(f"{name:28}{row['rows']:6}   {figures}")
    print(f"{ignored} rows with other labels or no text are out of scope.")


if __name__ == "__main__":
    main()
