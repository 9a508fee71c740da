"""The session encoder: a small BERT over the events of customers, with a head for each thing that it predicts.

Owns    the network, its training from random weights, its files.
Leaves  the events to `encoders.sessions.events`, the other predictors to `encoders.sessions.baselines`.
Axes    C customers, T tokens, H heads.

The architecture is BERT's (Devlin et al. 2019), `BertModel` of transformers, over tokens of events instead of words, as
BERT4Rec (Sun et al. 2019) does. A prediction is read at the first token of a history.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save as to_safetensors
from torch import nn
from transformers import BertConfig, BertModel

from flashsale_env.encoders.devices import one_thread
from flashsale_env.encoders.progress import progress_bar
from flashsale_env.encoders.sessions.events import PAD, Vocabulary
from flashsale_env.encoders.text.storage import read_tensors, write
from flashsale_env.histories import Histories
from flashsale_env.versions import versions

Floats = npt.NDArray[np.float64]
Labels = Mapping[str, npt.NDArray[np.bool_]]

KIND, FORMAT = "session encoder", 1
CARD_FILE, WEIGHT_FILE = "card.json", "weights.safetensors"
# What a shop can observe, and so learn from.
HEADS = ("click", "purchase", "stays away")
_LONGEST = 512


@dataclass(frozen=True)
class Size:
    """The network and its training.

    Args:
        hidden, layers, attention_heads: of BERT; the inner layers are twice as wide as `hidden`.
        epochs: passes over the customers, at most; the best one by held-out loss is kept.
        batch: customers of a step.
        learning_rate: the highest, after a tenth of the steps; it then falls to 0.
        held_out: share of customers that choose the epoch.
    """

    hidden: int = 64
    layers: int = 2
    attention_heads: int = 4
    epochs: int = 8
    batch: int = 128
    learning_rate: float = 1e-3
    held_out: float = 0.1

    def __post_init__(self) -> None:
        if self.hidden < 1 or self.hidden % self.attention_heads:
            raise ValueError(
                f"hidden {self.hidden} must be a multiple of attention_heads {self.attention_heads}; e.g. 64 and 4."
            )
        if self.epochs < 1 or self.batch < 1 or not 0 < self.held_out < 1:
            raise ValueError(
                f"want at least one epoch and one customer a step, and a held-out share between 0 and 1, got "
                f"{self.epochs}, {self.batch} and {self.held_out:g}."
            )


class _Network(nn.Module):
    def __init__(self, tokens: int, size: Size) -> None:
        super().__init__()
        config = BertConfig(
            vocab_size=tokens,
            hidden_size=size.hidden,
            num_hidden_layers=size.layers,
            num_attention_heads=size.attention_heads,
            intermediate_size=2 * size.hidden,
            max_position_embeddings=_LONGEST,
            pad_token_id=PAD,
        )
        self.bert = BertModel(config, add_pooling_layer=False)
        self.heads = nn.Linear(size.hidden, len(HEADS))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(C, H) logits."""
        states = self.bert(input_ids=tokens, attention_mask=(tokens != PAD).long()).last_hidden_state
        found: torch.Tensor = self.heads(states[:, 0])
        return found


class SessionEncoder:
    """Predicts what customers do next from their events; make one with `train` or `load`.

    Attributes:
        vocabulary: of the scenario that it was trained on.
        card: what it was trained on, and how.
    """

    def __init__(self, vocabulary: Vocabulary, size: Size, network: _Network, card: Mapping[str, Any]) -> None:
        self.vocabulary, self.size, self._network, self.card = vocabulary, size, network.eval(), dict(card)

    @classmethod
    def train(
        cls,
        vocabulary: Vocabulary,
        found: Histories,
        labels: Labels,
        *,
        size: Size | None = None,
        seed: int = 0,
        progress: bool = False,
    ) -> "SessionEncoder":
        """Train from random weights, on one thread of the CPU: the same arguments give the same weights.

        Args:
            vocabulary: of the scenario.
            found: histories of customers.
            labels: (C,) for each head of `HEADS`.
            size: of the network and its training.
            seed: of weights, order and held-out customers.
            progress: whether to show a bar on standard error.

        Raises:
            ValueError: a label is missing or of another length; fewer than 20 customers; histories of another scenario.
        """
        size = size or Size()
        if set(labels) != set(HEADS) or any(len(values) != len(found) for values in labels.values()):
            shapes = {name: len(values) for name, values in labels.items()}
            raise ValueError(f"want {len(found)} labels for each of {', '.join(HEADS)}, got {shapes}.")
        if len(found) < 20:
            raise ValueError(f"a session encoder needs at least 20 customers, got {len(found)}: record more sales.")
        tokens = torch.from_numpy(vocabulary.encode(found))
        wanted = torch.from_numpy(np.stack([labels[name] for name in HEADS], axis=1).astype(np.float32))
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(found))
        held = order[: max(1, int(size.held_out * len(found)))]
        rest = order[len(held) :]
        with one_thread(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = _Network(len(vocabulary.tokens), size)
            losses = _train(network, tokens, wanted, rest, held, size, rng, progress)
        card = {
            "kind": KIND,
            "format": FORMAT,
            "heads": list(HEADS),
            "vocabulary": asdict(vocabulary),
            "size": asdict(size),
            "seed": seed,
            "customers": len(found),
            "sales_before_the_cut": found.cut,
            "held_out_loss": losses,
            "versions": versions(),
        }
        return cls(vocabulary, size, network, card)

    def predict(self, found: Histories) -> dict[str, Floats]:
        """(C,) probability of each head.

        Raises:
            ValueError: histories of other products or longer campaigns.
        """
        tokens = torch.from_numpy(self.vocabulary.encode(found))
        out = np.empty((len(found), len(HEADS)))
        with one_thread(), torch.inference_mode():
            for rows in _batches(tokens, np.arange(len(found)), 512):
                out[rows] = torch.sigmoid(self._network(_cut(tokens[rows]))).numpy()
        return dict(zip(HEADS, out.T, strict=True))

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write weights and card.

        Raises:
            FileExistsError: the folder is not empty and `overwrite` is not set.
        """
        weights = {name: value.contiguous() for name, value in self._network.state_dict().items()}
        write(Path(folder), {WEIGHT_FILE: to_safetensors(weights)}, self.card, overwrite=overwrite)
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path) -> "SessionEncoder":
        """A saved encoder.

        Raises:
            ValueError: a file is missing, damaged, edited or of another kind.
        """
        path = Path(folder) / CARD_FILE
        if not path.is_file():
            raise ValueError(f"{folder} holds no session encoder: {CARD_FILE} is missing.")
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is not valid JSON ({error}): save the encoder again.") from None
        if not isinstance(card, dict) or card.get("kind") != KIND or card.get("format") != FORMAT:
            raise ValueError(f"{path} is not the card of a session encoder of format {FORMAT}: train again.")
        vocabulary, size = Vocabulary.from_card(card["vocabulary"]), Size(**card["size"])
        network = _Network(len(vocabulary.tokens), size)
        network.load_state_dict(read_tensors(Path(folder), WEIGHT_FILE, card))
        return cls(vocabulary, size, network, {name: value for name, value in card.items() if name != "files"})


def _cut(tokens: torch.Tensor) -> torch.Tensor:
    """Without the columns in which nobody has a token."""
    return tokens[:, : int((tokens != PAD).sum(dim=1).max())]


def _batches(tokens: torch.Tensor, rows: npt.NDArray[np.int64], batch: int) -> Iterator[npt.NDArray[np.int64]]:
    """Customers with histories of similar length together, so that little is padding."""
    length = (tokens[rows] != PAD).sum(dim=1).numpy()
    ordered = rows[np.argsort(length, kind="stable")]
    for start in range(0, len(ordered), batch):
        yield ordered[start : start + batch]


def _train(
    network: _Network,
    tokens: torch.Tensor,
    wanted: torch.Tensor,
    rest: npt.NDArray[np.int64],
    held: npt.NDArray[np.int64],
    size: Size,
    rng: np.random.Generator,
    progress: bool,
) -> list[float]:
    """Train in place, end at the best epoch, and return the held-out loss of each."""
    loss_of = nn.BCEWithLogitsLoss()
    optimiser = torch.optim.AdamW(network.parameters(), lr=size.learning_rate, weight_decay=0.01)
    steps = size.epochs * -(-len(rest) // size.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, size.learning_rate, total_steps=steps + 1, pct_start=0.1, cycle_momentum=False
    )
    losses: list[float] = []
    best: dict[str, torch.Tensor] = {}
    with progress_bar("training the session encoder", steps, progress) as advance:
        for _ in range(size.epochs):
            network.train()
            # Shuffled first, so that customers with histories of one length meet others in every epoch.
            batches = list(_batches(tokens, rng.permutation(rest), size.batch))
            for number in rng.permutation(len(batches)):
                rows = batches[number]
                loss = loss_of(network(_cut(tokens[rows])), wanted[rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                advance(1)
            network.eval()
            with torch.inference_mode():
                found = [
                    (len(rows), float(loss_of(network(_cut(tokens[rows])), wanted[rows])))
                    for rows in _batches(tokens, held, 512)
                ]
            losses.append(sum(number * loss for number, loss in found) / len(held))
            if losses[-1] == min(losses):
                best = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(best)
    return losses
