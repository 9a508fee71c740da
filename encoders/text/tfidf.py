"""The baseline without BERT: TF-IDF features and logistic regression."""

from __future__ import annotations

from collections.abc import Sequence

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline, make_union

from flashsale_env.encoders.corpus.generator import Message
from flashsale_env.encoders.text.metrics import scores


def tfidf_model(messages: Sequence[Message]) -> Pipeline:
    """A classifier of intents on TF-IDF of words, word pairs and 2 to 5 characters, fitted to the messages."""
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    model = make_pipeline(features, LogisticRegression(C=10.0, max_iter=2000))
    return model.fit([m.text for m in messages], [m.intent for m in messages])


def tfidf_reference(train: Sequence[Message], test: Sequence[Message]) -> dict[str, float]:
    """Accuracy and macro-F1 on `test` of `tfidf_model` fitted to `train`."""
    return scores([m.intent for m in test], list(tfidf_model(train).predict([m.text for m in test])))
