"""Adversarial training by the fast gradient method."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from transformers import BertModel


class FastGradient:
    """Moves a batch's token embeddings up the gradient of the loss.

    A training step runs the batch as it is, then a second time inside `shifted`. The shift is the gradient of the first
    backward pass, scaled for each text to length epsilon over all of its tokens.

    Source:
        Miyato, Dai & Goodfellow (2017), Adversarial training methods for semi-supervised text classification,
        arXiv 1605.07725, equation 5; the embeddings are not normalised.
    """

    def __init__(self, model: BertModel, epsilon: float) -> None:
        self.epsilon = epsilon
        self.vectors: torch.Tensor | None = None  # (n, t, w) token embeddings of the last plain forward pass
        self.shift: torch.Tensor | None = None  # (n, t, w) inside `shifted`
        model.embeddings.word_embeddings.register_forward_hook(self._embed)

    def _embed(self, module: torch.nn.Module, _: object, output: torch.Tensor) -> torch.Tensor:
        if not module.training:
            return output
        if self.shift is not None:
            return output + self.shift
        # A leaf of the graph, so that the backward pass leaves its gradient here.
        self.vectors = output.detach().requires_grad_()
        return self.vectors

    @contextlib.contextmanager
    def shifted(self) -> Iterator[None]:
        """Forward passes inside the block use the moved embeddings. Requires a backward pass before it."""
        assert self.vectors is not None
        gradient = self.vectors.grad
        assert gradient is not None
        length = gradient.flatten(1).norm(dim=1).clamp(min=torch.finfo(gradient.dtype).tiny)
        self.shift = self.epsilon * gradient / length[:, None, None]
        try:
            yield
        finally:
            self.shift = self.vectors = None
