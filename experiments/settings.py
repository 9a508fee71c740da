"""Settings of an experiment: frozen, checked when built, read strictly from TOML.

Owns    the settings of `flashsale demo`, the files in `configs/`, and the words of `--set`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flashsale_env.agents.seeding import check_run
from flashsale_env.errors import unknown_name
from flashsale_env.tables import check_fields, from_table, read_toml, tomllib

CONFIGS: dict[str, Path] = {path.stem: path for path in sorted((Path(__file__).parent / "configs").glob("*.toml"))}

# An interval of an average needs two values; these numbers are not averaged over.
_LEAST = {"seed": 0, "encoder_epochs": 1, "tuning_trials": 1, "training_sales": 0, "training_batch": 0}


@dataclass(frozen=True)
class DemoSettings:
    """How large each stage of the demo is.

    Args:
        description: one line for `flashsale list`.
        scenario: name or path.
        seed: of every stage; training, validation and test customers are disjoint for every seed.
        backbone: see `encoders.text.backbone.BACKBONES`.
        encoder_train, encoder_validation, encoder_evaluation: messages of the three splits.
        encoder_epochs: passes over the training messages.
        voices, heldout_voices: customers of the logged experiment and of its held-out part.
        visits: logged visits of each part.
        tuning_trials, tuning_sales: of each heuristic, on validation customers.
        training_sales: sales that the learner plays; 0 takes its preset's.
        training_batch: sales played in parallel; 0 takes its preset's.
        validation_sales: sales on which checkpoints are compared and the learning curve is drawn.
        evaluation_sales: test sales, the same for every agent.
        bound_sales: test sales over which the upper bound is averaged.
    """

    description: str
    scenario: str
    seed: int
    backbone: str
    encoder_train: int
    encoder_validation: int
    encoder_evaluation: int
    encoder_epochs: int
    voices: int
    heldout_voices: int
    visits: int
    tuning_trials: int
    tuning_sales: int
    training_sales: int
    training_batch: int
    validation_sales: int
    evaluation_sales: int
    bound_sales: int

    def __post_init__(self) -> None:
        check_fields(self)
        if self.bound_sales > self.evaluation_sales:
            raise ValueError(
                f"bound_sales must be at most evaluation_sales, got {self.bound_sales} > {self.evaluation_sales}: the "
                f"bound is compared with the profit on the same sales."
            )
        check_run(self.seed, "seed")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            least = _LEAST.get(field.name, 2)
            if isinstance(value, int) and value < least:
                raise ValueError(f"{field.name} must be at least {least}, got {value}.")


def parse_assignments(words: Sequence[str], example: str) -> dict[str, Any]:
    """The names and values of `--set NAME=VALUE`.

    A value is TOML (`n=20`, `drift=[1.5, 0.5]`), `none`, or a bare word, which is a text (`actions=discrete`).

    Args:
        words: each NAME=VALUE.
        example: an assignment that fits here, for the message.

    Raises:
        ValueError: a word of another form, or a name given twice.
    """
    given: dict[str, Any] = {}
    for word in words:
        name, _, text = (part.strip() for part in word.partition("="))
        try:
            value = tomllib.loads(f"x = {text}")["x"]
        except tomllib.TOMLDecodeError:
            value = None if text == "none" else text
            if not text.isidentifier():
                name = ""
        if not name:
            raise ValueError(f"--set wants NAME=VALUE, got {word!r}; e.g. --set {example}.")
        if name in given:
            raise ValueError(f"--set gives {name!r} twice.")
        given[name] = value
    return given


def read_shipped(kind: str, name: str, shipped: Mapping[str, Path]) -> tuple[Path, dict[str, Any]]:
    """Path and content of a TOML file: a shipped one by name, any by path.

    Raises:
        ValueError: unknown name, or not valid TOML.
        FileNotFoundError: a path that is not there.
    """
    path = shipped.get(name, Path(name))
    if path.suffix != ".toml":
        raise ValueError(unknown_name(kind, name, shipped) + " Or give the path of a TOML file.")
    return path, read_toml(path, kind)


def load_demo_settings(name: str) -> DemoSettings:
    """Settings by name of a shipped file, or by path.

    Raises:
        ValueError: unknown name, or the file has a wrong key, type or value; the message names it.
        FileNotFoundError: a path that is not there.
    """
    path, content = read_shipped("experiment", name, CONFIGS)
    return from_table(DemoSettings, content, str(path))
