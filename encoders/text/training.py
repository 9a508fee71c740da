"""Fine-tuning: its settings, and the loop that trains a backbone together with its heads.

Owns    the settings, the optimiser, the choice of the epoch, and what a run's state consists of.
Leaves  the messages to `corpus`, the start of the heads to `heads`, the trained weights to `weights`, the checkpoint
        file to `checkpoint`, and the finished encoder to `intent`.
Axes    n texts, w the backbone's width; classes in the order of `TASKS`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import peft
import torch
import torch.nn.functional as F
from safetensors.torch import save as to_safetensors
from sklearn.metrics import accuracy_score, log_loss

from flashsale_env.encoders.corpus.generator import Message
from flashsale_env.encoders.devices import cuda_devices, fast_matmul
from flashsale_env.encoders.progress import progress_bar
from flashsale_env.encoders.text.adversarial import FastGradient
from flashsale_env.encoders.text.augmentation import AUGMENTATIONS, augmented
from flashsale_env.encoders.text.backbone import Backbone
from flashsale_env.encoders.text.checkpoint import Checkpoint
from flashsale_env.encoders.text.heads import TASKS, UNLABELLED, frozen_head, head_name, label_of, targets
from flashsale_env.encoders.text.inference import pool_all
from flashsale_env.encoders.text.weights import adapted, set_adapter, set_layers, with_weights
from flashsale_env.errors import unknown_name
from flashsale_env.files import sha256
from flashsale_env.intents import INTENTS

__all__ = ["METHODS", "FineTuning", "Tuned", "tune"]

Tensors = dict[str, torch.Tensor]

# Default peak learning rate of each method; "frozen" fits only the heads, in closed form.
METHODS: dict[str, float | None] = {"lora": 1e-3, "frozen": None, "full": 2e-5}
HEAD_RATE = 1e-3  # of the heads, which start at their optimum on the frozen backbone
WEIGHT_DECAY = 0.01
WARM_UP = 0.1  # share of the steps over which the learning rate rises
PRECISIONS = ("auto", "fp32", "bf16")


@dataclass(frozen=True)
class FineTuning:
    """How an encoder is fine-tuned.

    Attributes:
        method: "lora" (low-rank adapters in every layer), "frozen" (heads only) or "full" (every weight except the
            embeddings: a small corpus would update only the embeddings of the words it contains and break their
            alignment with all others).
        epochs: passes over the training messages; not used by "frozen".
        patience: stop after this many epochs without a lower validation loss; None runs all epochs.
        learning_rate: peak rate of the backbone; None takes the method's default from `METHODS`.
        batch_size: texts per step.
        gradient_accumulation: number of parts in which a batch is computed, to save memory. The step is the same.
        class_weights: "balanced" weights each class by the inverse of its frequency; None gives every message weight 1.
        label_smoothing: share of the target's probability that is spread evenly over all classes.
        precision: of the matrix products. "auto" is bf16 where CUDA or the CPU (AMX) supports it, else fp32.
        adversarial: "fgm" adds the loss at embeddings moved by `epsilon` up the gradient (Miyato, Dai & Goodfellow
            2017); None for no adversarial training.
        epsilon: length of that move over all tokens of a text. At 0.5, no epoch beat the frozen start on MiniLM.
        augmentation: a name in `AUGMENTATIONS`, applied to half of the texts and redrawn each epoch; None for none.
        sentiment_weight: weight of the sentiment loss relative to the intent loss; 0 trains no sentiment head.
        seed: of batches, dropout, adapters and augmentation. Runs are reproducible bit for bit on one machine with one
            number of threads.

    With 1,350 messages of the corpus (MiniLM, one seed), label smoothing, FGM and typos each changed accuracy on unseen
    templates by less than 0.004, and none helped on both of two real shops, so the defaults leave them out. Class
    weights do nothing for the corpus, which is balanced; they are meant for a shop's own rows.

    Raises:
        ValueError: an unknown name, or a number out of range.
    """

    method: str = "lora"
    epochs: int = 1
    patience: int | None = None
    learning_rate: float | None = None
    batch_size: int = 32
    gradient_accumulation: int = 1
    class_weights: str | None = None
    label_smoothing: float = 0.1
    precision: str = "auto"
    adversarial: str | None = None
    epsilon: float = 0.1
    augmentation: str | None = None
    sentiment_weight: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for kind, name, known in (
            ("method", self.method, METHODS),
            ("precision", self.precision, PRECISIONS),
            ("class_weights", self.class_weights or "balanced", ("balanced",)),
            ("adversarial training", self.adversarial or "fgm", ("fgm",)),
            ("augmentation", self.augmentation or "typo", AUGMENTATIONS),
        ):
            if name not in known:
                raise ValueError(unknown_name(kind, name, known))
        sizes = ("epochs", "patience", "learning_rate", "batch_size", "gradient_accumulation", "epsilon")
        given = {name: getattr(self, name) for name in sizes}
        if any(value is not None and not value > 0 for value in given.values()):
            raise ValueError(
                f"{', '.join(sizes)} must be positive, got {', '.join(f'{k}={v}' for k, v in given.items())}."
            )
        if not 0 <= self.label_smoothing < 1 or not self.sentiment_weight >= 0 or self.seed < 0:
            raise ValueError(
                f"label_smoothing must lie in [0, 1), and sentiment_weight and seed must not be negative, got "
                f"label_smoothing={self.label_smoothing}, sentiment_weight={self.sentiment_weight}, seed={self.seed}."
            )

    @property
    def rate(self) -> float | None:
        """Peak learning rate of the backbone; None if it is frozen."""
        return METHODS[self.method] if self.learning_rate is None else self.learning_rate

    @property
    def tasks(self) -> tuple[str, ...]:
        """The heads to train."""
        return ("intent", "sentiment") if self.sentiment_weight else ("intent",)


@dataclass(frozen=True)
class Tuned:
    """The result of fine-tuning."""

    weights: Tensors  # of the adapters or the layers; empty for "frozen"
    head: Tensors  # of all heads, named by `head_name`
    history: list[dict[str, float]]  # validation figures before training and after each epoch
    best_epoch: int  # the epoch that was kept; 0 is the frozen start


def tune(
    base: Backbone,
    train: Sequence[Message],
    validation: Sequence[Message],
    settings: FineTuning,
    *,
    weights: Mapping[str, torch.Tensor] | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 50,
    progress: bool = False,
) -> Tuned:
    """Fit the heads on the frozen backbone, then train backbone and heads together.

    The heads start at the multinomial logistic regressions on the frozen embeddings. With random heads, the backbone
    would first adapt to noise and become worse on unseen phrasing. The epoch with the lowest log loss of the
    intent on `validation` is kept, and the frozen start counts as epoch 0.

    Args:
        base: the pretrained backbone; it is copied, not changed.
        train, validation: `train` needs every intent, and every sentiment if a sentiment head is trained.
        weights: to continue from, as an earlier run with the same method returned them.
        checkpoint: folder of the checkpoint. A run that was killed and is started again with the same arguments resumes
            from it and ends bit for bit where it would have ended. The file stays after the run.
        checkpoint_every: steps between two checkpoints.
        progress: show a bar on standard error.

    Raises:
        ValueError: a class without messages, no validation messages, or the checkpoint of another run.
    """
    target = {task: targets(train, task) for task in settings.tasks}
    target_validation = targets(validation, "intent")
    for task, number in target.items():
        if missing := [name for i, name in enumerate(TASKS[task]) if i not in set(number)]:
            raise ValueError(f"messages_train has no message of {', '.join(missing)}: each {task} needs some.")
    if not len(target_validation):
        raise ValueError("messages_validation is empty. It chooses the epoch: give e.g. 900 messages.")
    texts = [message.text for message in train]
    start = with_weights(base, settings.method, weights) if weights else base
    embeddings = pool_all(start, start.tokenize(texts)).cpu().numpy()
    head: Tensors = {}
    for task, number in target.items():
        labelled = number != UNLABELLED
        fitted = frozen_head(embeddings[labelled], number[labelled], class_weight=settings.class_weights)
        head |= {head_name(task, key): value for key, value in fitted.items()}
    if settings.method == "frozen":
        return Tuned({}, head, [], 0)
    tuner = _Tuner(base, settings, head, target, weights)
    file = None
    if checkpoint is not None:
        messages = repr([(m.text, m.intent, label_of(m, "sentiment")) for m in (*train, *validation)])
        run = {
            "settings": asdict(settings),
            "backbone": base.sha256,
            "start": sha256(to_safetensors(dict(weights))) if weights else None,
            "messages": sha256(messages.encode()),
        }
        file = Checkpoint(Path(checkpoint), checkpoint_every, run)
    return tuner.run(texts, base.tokenize([m.text for m in validation]), target_validation, file, progress)


class _Tuner:
    """One fine-tuning run: `base` is copied, adapted and trained together with its heads."""

    def __init__(
        self,
        base: Backbone,
        settings: FineTuning,
        head: Mapping[str, torch.Tensor],
        target: Mapping[str, npt.NDArray[np.int64]],
        weights: Mapping[str, torch.Tensor] | None,
    ) -> None:
        self.settings, self.target = settings, target
        self.device = base.model.device
        self.cuda_devices = cuda_devices(self.device)
        model = copy.deepcopy(base.model)
        self.backbone = replace(base, model=model)
        self.net: torch.nn.Module
        if settings.method == "lora":
            self.net = adapted(model, settings.seed)
            if weights:
                set_adapter(self.net, base, weights)
        else:
            self.net = model
            model.embeddings.requires_grad_(False)
            if weights:
                set_layers(model, base, weights)
        self.heads = torch.nn.ModuleDict()
        for task in target:
            layer = torch.nn.utils.skip_init(torch.nn.Linear, base.width, len(TASKS[task]), device=self.device)
            layer.load_state_dict({key: head[head_name(task, key)].to(self.device) for key in ("weight", "bias")})
            self.heads[task] = layer
        self.class_weight = {task: self.balance(task) for task in target}
        assert settings.rate is not None
        self.peaks = (settings.rate, HEAD_RATE)
        self.optimizer = torch.optim.AdamW(
            [
                {"params": list(self.trained().values()), "lr": self.peaks[0]},
                {"params": list(self.heads.parameters()), "lr": self.peaks[1]},
            ],
            weight_decay=WEIGHT_DECAY,
        )
        self.attack = FastGradient(model, settings.epsilon) if settings.adversarial else None
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.best: tuple[Tensors, Tensors] = ({}, {})

    def run(
        self,
        texts: Sequence[str],
        tokens_validation: Sequence[Sequence[int]],
        target_validation: npt.NDArray[np.int64],
        checkpoint: Checkpoint | None,
        progress: bool,
    ) -> Tuned:
        """Train to the end, from the start or from the checkpoint."""
        settings = self.settings
        per_epoch = math.ceil(len(texts) / settings.batch_size)
        steps = settings.epochs * per_epoch
        rng = np.random.default_rng(settings.seed)  # draws the batches of an epoch, all at its beginning
        plain = self.backbone.tokenize(texts)
        with torch.random.fork_rng(self.cuda_devices), progress_bar("fine-tuning", steps, progress) as advance:
            torch.manual_seed(settings.seed)
            saved = None if checkpoint is None else checkpoint.load()
            if saved is None:
                self.history = [self.score(tokens_validation, target_validation)]
                self.best = self.snapshot()
            else:
                rng.bit_generator.state = self.restore(*saved)
            advance(self.step)
            while self.step < steps and not self.out_of_patience():
                epoch, done = divmod(self.step, per_epoch)
                epoch_rng = rng.bit_generator.state
                tokens = plain
                if settings.augmentation:
                    tokens = self.backbone.tokenize(augmented(texts, settings.augmentation, settings.seed, epoch))
                self.net.train()
                for rows in _length_buckets(tokens, settings.batch_size, rng)[done:]:
                    self.set_rate(self.step, steps)
                    self.take_step(rows, tokens)
                    self.step += 1
                    advance(1)
                    if checkpoint is not None and self.step % checkpoint.every == 0 and self.step % per_epoch:
                        # Inside an epoch, a resumed run redraws the epoch's batches and skips the first ones.
                        checkpoint.save(*self.state(epoch_rng))
                self.history.append(self.score(tokens_validation, target_validation))
                losses = self.validation_losses()
                if losses[-1] < min(losses[:-1]):
                    self.best = self.snapshot()
                if checkpoint is not None:
                    checkpoint.save(*self.state(rng.bit_generator.state))
        return Tuned(*self.best, self.history, int(np.argmin(self.validation_losses())))

    def take_step(self, rows: npt.NDArray[np.int64], tokens: Sequence[Sequence[int]]) -> None:
        """One step of AdamW on one batch, computed in parts."""
        self.optimizer.zero_grad(set_to_none=True)
        parts = min(self.settings.gradient_accumulation, len(rows))
        for part in np.array_split(rows, parts):
            self.loss(part, rows, tokens).backward()
            if self.attack is not None:
                with self.attack.shifted():
                    self.loss(part, rows, tokens).backward()
        self.optimizer.step()

    def loss(
        self, part: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], tokens: Sequence[Sequence[int]]
    ) -> torch.Tensor:
        """The part's share of the mean loss of the whole batch `rows`, summed over the tasks."""
        with fast_matmul(self.device, self.settings.precision):
            pooled = self.backbone.pool([tokens[i] for i in part])
        total = torch.zeros((), device=self.device)
        for task, head in self.heads.items():
            mass = self.mass(task, part)
            if not mass:
                continue
            loss = F.cross_entropy(
                head(pooled.float()),
                torch.as_tensor(self.target[task][part], device=self.device),
                weight=self.class_weight[task],
                ignore_index=UNLABELLED,
                label_smoothing=self.settings.label_smoothing,
            )
            weight = 1.0 if task == "intent" else self.settings.sentiment_weight
            # cross_entropy divides by the part's own weight; the batch's mean divides by that of the batch.
            total = total + loss * (weight * mass / self.mass(task, rows))
        return total

    def mass(self, task: str, rows: npt.NDArray[np.int64]) -> float:
        """Total class weight of the labelled messages among `rows`."""
        number = self.target[task][rows]
        weight = self.class_weight[task]
        present = number[number != UNLABELLED]
        return float(len(present)) if weight is None else float(weight.cpu().numpy()[present].sum())

    def balance(self, task: str) -> torch.Tensor | None:
        """(k,) weight of each class, with mean 1 over the messages."""
        if self.settings.class_weights is None:
            return None
        number = self.target[task]
        count = np.bincount(number[number != UNLABELLED], minlength=len(TASKS[task]))
        return torch.tensor(count.sum() / (len(count) * count), dtype=torch.float32, device=self.device)

    def set_rate(self, step: int, steps: int) -> None:
        """Linear warm-up to the peak, then linear decay to zero."""
        factor = min((step + 1) / (WARM_UP * steps), (steps - step) / ((1 - WARM_UP) * steps), 1.0)
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * factor

    def validation_losses(self) -> list[float]:
        """Log loss before training and after each epoch."""
        return [row["validation_log_loss"] for row in self.history]

    def out_of_patience(self) -> bool:
        """Whether the last `patience` epochs brought no lower validation loss."""
        losses, patience = self.validation_losses(), self.settings.patience
        return patience is not None and len(losses) - 1 - int(np.argmin(losses)) >= patience

    def score(self, tokens: Sequence[Sequence[int]], target: npt.NDArray[np.int64]) -> dict[str, float]:
        """Log loss and accuracy of the intent on validation messages."""
        self.net.eval()
        with torch.inference_mode():
            logits = self.heads["intent"](pool_all(self.backbone, tokens)).double()
        p = torch.softmax(logits, 1).cpu().numpy()
        return {
            "validation_log_loss": round(float(log_loss(target, p, labels=range(len(INTENTS)))), 4),
            "validation_accuracy": round(float(accuracy_score(target, p.argmax(1))), 4),
        }

    def trained(self) -> dict[str, torch.nn.Parameter]:
        """The backbone's parameters that are trained, by name."""
        return {name: p for name, p in self.net.named_parameters() if p.requires_grad}

    def snapshot(self) -> tuple[Tensors, Tensors]:
        """Copies of the trained weights and of the heads, in the form of `Tuned`."""
        trained = peft.get_peft_model_state_dict(self.net) if self.settings.method == "lora" else self.trained()
        head = {head_name(task, key): v for task, h in self.heads.items() for key, v in h.state_dict().items()}
        return (
            {key: value.detach().cpu().clone() for key, value in trained.items()},
            {key: value.detach().cpu().clone() for key, value in head.items()},
        )

    def state(self, batches: Mapping[str, Any]) -> tuple[Tensors, dict[str, Any]]:
        """Everything that the rest of the run depends on, for `Checkpoint.save`.

        Args:
            batches: state of the generator that draws the batches.
        """
        tensors = {
            "torch_rng": torch.random.get_rng_state(),
            **{f"model/{key}": value for key, value in self.trained().items()},
            **{f"heads/{key}": value for key, value in self.heads.state_dict().items()},
            **{f"best/{key}": value for key, value in self.best[0].items()},
            **{f"best_head/{key}": value for key, value in self.best[1].items()},
            **{f"adam/{i}/{key}": v for i, row in self._moments().items() for key, v in row.items()},
            **{f"cuda_rng/{i}": torch.cuda.get_rng_state(d) for i, d in enumerate(self.cuda_devices)},
        }
        return tensors, {"step": self.step, "history": self.history, "batches": batches}

    def restore(self, tensors: Tensors, state: Mapping[str, Any]) -> dict[str, Any]:
        """Undo the time since `state` was called; returns its `batches`."""

        def part(name: str) -> Tensors:
            return {k.removeprefix(f"{name}/"): v for k, v in tensors.items() if k.startswith(f"{name}/")}

        with torch.no_grad():
            trained = self.trained()
            for key, value in part("model").items():
                trained[key].copy_(value)
        self.heads.load_state_dict(part("heads"))
        self.best = part("best"), part("best_head")
        optimizer = self.optimizer.state_dict()
        for key, value in part("adam").items():
            parameter, name = key.split("/")
            optimizer["state"].setdefault(int(parameter), {})[name] = value
        self.optimizer.load_state_dict(optimizer)
        self.step, self.history = state["step"], state["history"]
        torch.random.set_rng_state(tensors["torch_rng"])
        for i, device in enumerate(self.cuda_devices):
            torch.cuda.set_rng_state(tensors[f"cuda_rng/{i}"], device)
        batches: dict[str, Any] = state["batches"]
        return batches

    def _moments(self) -> dict[int, Tensors]:
        """AdamW's moments and step counts, by number of the parameter."""
        moments: dict[int, Tensors] = self.optimizer.state_dict()["state"]
        return moments


def _length_buckets(
    tokens: Sequence[Sequence[int]], batch_size: int, rng: np.random.Generator
) -> list[npt.NDArray[np.int64]]:
    """Random batches of similar length: a shuffle, sorted by length within runs of 16 batches."""
    order = rng.permutation(len(tokens))
    length = np.array([len(text) for text in tokens])
    runs = [order[i : i + 16 * batch_size] for i in range(0, len(order), 16 * batch_size)]
    runs = [run[np.argsort(length[run], kind="stable")] for run in runs]
    batches = [run[i : i + batch_size] for run in runs for i in range(0, len(run), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]
