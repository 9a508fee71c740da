"""The options that several commands and studies share, and the checks of what a user gives for them.

Owns    one type for each shared option, so that `--out` means and refuses the same everywhere; the bounds of numbers.
Leaves  options of a single command to its file.

A check runs while the command line is parsed, before the command does anything. A typed option is used as

    def command(context: typer.Context, out: Out, seed: Seed = 0, as_json: Json = False) -> None: ...
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from flashsale_env import SCENARIOS
from flashsale_env.experiments.runs import check_folder

Value = TypeVar("Value")

# Larger numbers are slips of the finger. Sales whose figures still fit in memory; sales of a training; visits of a log.
MOST_SALES, MOST_TRAINING_SALES, MOST_VISITS = 10_000_000, 1 << 40, 100_000_000
# Runs, trials, products, price levels and ticks. A scenario checks its own numbers.
MOST_OF_ANYTHING = 100_000
# The largest seed that numpy's generators and Optuna's samplers both accept.
MOST_SEED = (1 << 32) - 1


def checked(check: Callable[[Value, str], None]) -> Callable[..., Value | None]:
    """A callback that checks the value of an option, as `check(value, option)`, where one is given."""

    def callback(context: typer.Context, parameter: typer.CallbackParam, value: Value | None) -> Value | None:
        if value is not None and not context.resilient_parsing:
            check(value, max(parameter.opts, key=len))
        return value

    return callback


def check_device(name: str, option: str) -> None:
    """Refuse a device that torch does not find."""
    from flashsale_env.agents.devices import check_device

    check_device(name, option)


def check_run(number: int, option: str) -> None:
    """Refuse a number of a training run that has no block of seeds."""
    from flashsale_env.agents.seeding import check_run

    check_run(number, option)


def check_tensorboard(folder: Path, option: str) -> None:
    """Refuse a folder that cannot be written, or any folder where TensorBoard is not installed."""
    check_folder(folder, option)
    if importlib.util.find_spec("tensorboard") is None:
        raise ValueError(f"{option} needs the package 'tensorboard': pip install 'flashsale-env[experiments]'.")


Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on standard output.")]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder for the results.", callback=checked(check_folder))
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the results of an earlier run in --out.")]


def scenario_names(incomplete: str) -> list[str]:
    """The shipped scenarios that begin so, for completion in the shell."""
    return [name for name in SCENARIOS if name.startswith(incomplete)]


ScenarioArgument = Annotated[
    str,
    typer.Argument(metavar="SCENARIO", help="Name of a scenario, or a TOML file.", autocompletion=scenario_names),
]
ScenarioOption = Annotated[
    str,
    typer.Option(
        "--scenario",
        metavar="NAME|TOML",
        help="Name of a scenario, or a TOML file.",
        autocompletion=scenario_names,
    ),
]
ProductsOf = Annotated[
    str,
    typer.Option(
        "--scenario", metavar="NAME|TOML", help="Scenario whose products the customers shop for: name or TOML file."
    ),
]
PopulationOption = Annotated[
    str | None,
    typer.Option(
        "--population", metavar="DIR", help="Customers: a folder or a shipped name [default: the scenario's]."
    ),
]
EncoderFolder = Annotated[
    Path | None,
    typer.Option(
        "--encoder", metavar="DIR", help="Encoder with its demand model, e.g. runs/demo/encoder [default: shipped]."
    ),
]
CacheFolder = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        help="Keep embeddings there, so that a text is embedded only once.",
        callback=checked(check_folder),
    ),
]
TextColumn = Annotated[str, typer.Option("--text-column", metavar="C", help="Column that holds the messages.")]

Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="auto (CUDA if available), cpu, cuda or cuda:N.",
        callback=checked(check_device),
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of the run.", callback=checked(check_run))]
# Unlike `Seed` it selects no block of training sales, so any number will do.
AnySeed = Annotated[int, typer.Option("--seed", metavar="N", min=0, max=MOST_SEED, help="Seed of everything drawn.")]
Runs = Annotated[
    int,
    typer.Option(
        "--runs", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Independent runs, with seeds 0, 1, 2 and so on."
    ),
]
TrainingSales = Annotated[
    int | None,
    typer.Option(
        "--sales", metavar="N", min=1, max=MOST_TRAINING_SALES, help="Sales of one training [default: the preset's]."
    ),
]
TestSales = Annotated[
    int, typer.Option("--episodes", metavar="N", min=2, max=MOST_SALES, help="Test sales, the same for every agent.")
]

# Whom a command asks in words, and the most that the answers may cost; see `language.asking`.
MODEL_HELP = "A model at an endpoint, the folder of a local one, or a journal (NAME.jsonl) to replay."
ModelName = Annotated[str, typer.Option("--model", metavar="MODEL", help=MODEL_HELP)]
ModelOrNone = Annotated[str | None, typer.Option("--model", metavar="MODEL", help=MODEL_HELP)]
BaseUrl = Annotated[
    str | None,
    typer.Option("--base-url", metavar="URL", help="Endpoint of OpenAI's form [default: OpenAI's own]."),
]
KeyVariable = Annotated[
    str, typer.Option("--key-variable", metavar="NAME", help="Environment variable that holds the key.")
]
Calls = Annotated[
    int | None,
    typer.Option("--calls", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Most questions [default: no limit]."),
]
Minutes = Annotated[float | None, typer.Option("--minutes", metavar="X", min=0.01, help="Most minutes of asking.")]
Spend = Annotated[float | None, typer.Option("--spend", metavar="X", min=0.0, help="Most money, at --prices.")]
Prices = Annotated[
    tuple[float, float],
    typer.Option("--prices", metavar="X Y", help="Of a million tokens of questions, and of answers."),
]
