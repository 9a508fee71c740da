"""The study `privacy`: what masking finds, and what a shop pays for knowing its crowd with differential privacy.

Owns    the measurement of masking on planted details, and the profit of a policy that reads noisy intents.
Leaves  masking and noise to `encoders.privacy`.
Units   profit in the scenario's currency; epsilon of one release, that is of one tick.

The policy was trained on exact shares. It plays the same test sales with noise on them, and with shares that tell
nothing: those of all sales together. What is between the two is what reading this sale's messages is worth to it.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from flashsale_env import INTENTS, Layout, Scenario, load_scenario
from flashsale_env.agents import split_seeds
from flashsale_env.agents.play import play
from flashsale_env.encoders.privacy.details import plain, planted
from flashsale_env.encoders.privacy.masking import mask, mask_all
from flashsale_env.encoders.privacy.shares import noise_scale, noisy_shares, projected
from flashsale_env.experiments.destinations import OutOrNowhere, run_in
from flashsale_env.experiments.display import Callback, present, progress_bar, show_table
from flashsale_env.experiments.evaluate import find_agent
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.formats import low_to_high, money
from flashsale_env.experiments.intervals import paired_difference
from flashsale_env.experiments.options import MOST_OF_ANYTHING, MOST_SALES, AnySeed, Json, Overwrite
from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.pages.pictures import differences

LANGUAGES = ("en", "zh")
EPSILONS = (1.0, 0.5, 0.2, 0.1, 0.05)
EXACT, BLIND = "exact shares", "shares of all sales"

Messages = Annotated[
    int, typer.Option("--messages", metavar="N", min=100, max=MOST_OF_ANYTHING, help="Messages of each language.")
]
Epsilons = Annotated[
    list[float] | None,
    typer.Option(
        "--epsilon", metavar="E", min=1e-6, max=1e6, help="Of one release; several [default: 1 0.5 0.2 0.1 0.05]."
    ),
]
Sales = Annotated[int, typer.Option("--sales", metavar="N", min=2, max=MOST_SALES, help="Test sales.")]
Policy = Annotated[str, typer.Option("--policy", metavar="AGENT|DIR", help="That reads the intents.")]
Where = Annotated[str, typer.Option("--scenario", metavar="NAME|TOML", help="With messages before the opening.")]

EXAMPLES = ("flashsale study privacy --out runs/privacy", "flashsale study privacy --epsilon 1 --epsilon .01")


@on_interrupt("nothing was written: run the command again.")
def command(
    context: typer.Context,
    scenario: Where = "standard",
    policy: Policy = "standard-ppo",
    messages: Messages = 6000,
    epsilons: Epsilons = None,
    sales: Sales = 2000,
    seed: AnySeed = 0,
    out: OutOrNowhere = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Measure what masking finds, and the price of privacy.

    Details are planted in messages of the corpus. Then a policy plays with Laplace noise on the shares of intents.
    """
    sale = load_scenario(scenario)
    behind = messages_behind(sale)
    asked = sorted(epsilons or EPSILONS, reverse=True)
    player = find_agent(policy, sale)
    run = run_in(
        out,
        context.obj,
        options={"scenario": scenario, "policy": policy, "messages": messages, "epsilon": asked, "sales": sales},
        seeds={"messages and noise": seed, "test split": 0},
        inputs=[Path(scenario)] if Path(scenario).exists() else [],
    )
    with run.claimed(overwrite=overwrite):
        with progress_bar("sales") as advance:
            found = {
                "masking": measure_masking(messages, seed),
                "price": price_of_privacy(player, sale, behind, asked, sales, seed, advance),
            }
        run.keep(found)
    present(found, show, out, as_json=as_json)


def messages_behind(scenario: Scenario) -> int:
    """Messages that shares are counted of: those before the opening, the fewest of any tick.

    Raises:
        ValueError: the scenario shows no intents, or has no messages before the opening.
    """
    if scenario.messages is None or "intent_mean" not in scenario.features:
        raise ValueError(f"scenario {scenario.name!r} shows no intents, so there is nothing to protect.")
    count = int(scenario.messages.before_opening)
    if count < 1:
        raise ValueError(f"scenario {scenario.name!r} has no messages before the opening: set before_opening.")
    return count


def measure_masking(messages: int, seed: int) -> list[dict[str, Any]]:
    """Rows by language: details by kind with the share found, and messages without details with the share masked."""
    rows = []
    for language in LANGUAGES:
        met, found = Counter[str](), Counter[str]()
        for one in planted(language, messages, seed):
            met[one.kind] += 1
            found[one.kind] += one.kind in (masked := mask(one.text)).kinds and one.detail not in masked.text
        rows += [_row(language, kind, met[kind], found[kind]) for kind in met]
        untouched = mask_all(plain(language, messages, seed))
        rows.append(_row(language, "none", len(untouched), sum(bool(message.kinds) for message in untouched)))
    return rows


def _row(language: str, kind: str, messages: int, masked: int) -> dict[str, Any]:
    return {"language": language, "kind": kind, "messages": messages, "masked": masked, "share": masked / messages}


class NoisyReader:
    """A policy whose observations show other shares of intents than the true ones.

    Args:
        policy: with `predict`, playing in `encoding`.
        scenario: that shows `intent_mean`.
        change: (N, I) shares -> (N, I) shares that the policy reads instead.
    """

    def __init__(self, policy: Any, scenario: Scenario, change: Any) -> None:
        layout = Layout(scenario)
        self.encoding, self._policy, self._change = policy.encoding, policy, change
        self._shares = layout["intent_mean"]
        self._entropy = layout.get("intent_entropy")

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> Any:
        read = np.array(observation)
        shares = self._change(np.asarray(observation[..., self._shares], np.float64))
        read[..., self._shares] = shares
        if self._entropy is not None:
            logs = np.log(np.where(shares > 0, shares, 1.0))
            read[..., self._entropy] = -(shares * logs).sum(-1, keepdims=True) / math.log(len(INTENTS))
        return self._policy.predict(read, state, episode_start, deterministic)


def price_of_privacy(
    policy: Any,
    scenario: Scenario,
    messages: int,
    epsilons: Sequence[float],
    sales: int,
    seed: int,
    progress: Callback | None = None,
) -> list[dict[str, Any]]:
    """Rows by epsilon, the exact shares first and shares that tell nothing last.

    Returns:
        "reads"; "epsilon"; "error", the mean absolute error of a share in the noise, and "expected_error", its closed
        form; "profit"; "less_exact" with its 95 % interval, on the same sales.
    """
    seeds = split_seeds("test", 0, sales)
    rng = np.random.default_rng(seed)
    mean_shares = np.zeros(len(INTENTS))
    errors: list[float] = []

    def note(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        mean_shares[:] += shares.sum(axis=0)
        return shares

    def noise_of(epsilon: float) -> Any:
        def noisy(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            released = noisy_shares(shares, messages, epsilon, rng)
            errors.append(float(np.abs(released - shares).mean()))
            return projected(released)

        return noisy

    def blind(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.tile(mean_shares / mean_shares.sum(), (len(shares), 1))

    readers: list[tuple[str, float | None, Any]] = [(EXACT, None, note)]
    readers += [(f"epsilon {epsilon:g}", epsilon, noise_of(epsilon)) for epsilon in epsilons]
    readers.append((BLIND, None, blind))
    rows: list[dict[str, Any]] = []
    exact = np.zeros(0)
    for done, (name, epsilon, change) in enumerate(readers):
        errors.clear()
        earned = play(NoisyReader(policy, scenario, change), scenario, seeds=seeds)["profit"]
        exact = earned if name == EXACT else exact
        gap = paired_difference(earned, exact)
        rows.append(
            {
                "reads": name,
                "epsilon": epsilon,
                "error": float(np.mean(errors)) if errors else None,
                "expected_error": None if epsilon is None else noise_scale(messages, epsilon),
                "profit": float(earned.mean()),
                "less_exact": {"mean": gap.mean, "ci_low": gap.low, "ci_high": gap.high},
            }
        )
        if progress is not None:
            progress(done + 1, len(readers), "")
    return rows


MASKING = ("language", "detail", "messages", "masked")
PRICE = ("reads", "error of a share", "profit", "less exact", "95 % interval")


def cells_of_masking(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Messages with a detail of each kind and without any, and the share of them with something masked."""
    return [
        (row["language"], row["kind"], f"{row['messages']:,}", f"{100 * row['share']:.2f} %")
        for row in found["masking"]
    ]


def cells_of_price(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Profit by what is read; behind the error of a share its closed form."""
    scale = found["price"][0]["profit"]
    rows: list[tuple[str, ...]] = []
    for row in found["price"]:
        gap = ("", "")
        if row["reads"] != EXACT:
            gap = (money(row["less_exact"]["mean"], scale), low_to_high(row["less_exact"], scale))
        error = "" if row["error"] is None else f"{row['error']:.4f} ({row['expected_error']:.4f})"
        rows.append((row["reads"], error, money(row["profit"], scale), *gap))
    return rows


def show(found: Mapping[str, Any]) -> None:
    """Two tables: masking by kind and language, profit by epsilon."""
    title = "details planted in messages, and messages without any"
    show_table(title, MASKING, cells_of_masking(found), text_columns=2)
    title = "profit with noise on the shares of intents; in brackets the closed form of the error"
    show_table(title, PRICE, cells_of_price(found))


def charts(found: Mapping[str, Any]) -> dict[str, Chart]:
    """What each noise costs."""
    rows = {row["reads"]: row["less_exact"] for row in found["price"] if row["reads"] != EXACT}
    return {"price": differences(rows, f"profit less that of {EXACT}")}
