"""Similarity: what a message says comes first, without a single sale."""

import numpy as np
import numpy.typing as npt

from flashsale_env.encoders.ranking.evidence import Evidence


def cosine(evidence: Evidence) -> npt.NDArray[np.float64]:
    """(I, M) mean cosine similarity of the messages of a predicted intent with a product's name."""
    return evidence.by_intent(evidence.similarity)
