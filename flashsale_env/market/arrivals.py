"""Arrivals: a stream of customers per tick, thinned from a dominating stream (Lewis & Shedler 1979).

Owns    expected traffic, the time of every arrival and the voice that arrives; exponentially weighted counts of recent
        customers.
Axes    customer k of tick t is the k-th point of the *dominating* stream, which no action can change. An action that
        lifts traffic lets more of these points pass, so customers keep their numbers and their draws.
Units   time within a tick runs from 0 to 1; rates are customers per tick.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.core.records import option, put
from flashsale_env.errors import unknown_name
from flashsale_env.market import messages, rivals
from flashsale_env.market.mechanism import Between, Feature, Mechanism, OneOf, ScenarioLike
from flashsale_env.market.parts import Part, require_range
from flashsale_env.tables import example

POISSON, BERNOULLI = 0, 1

# name -> number; a new law is one branch of `next_arrival`
ARRIVAL_LAWS = {
    "poisson": POISSON,
    "bernoulli": BERNOULLI,
}

NEVER = 2.0  # any time after the end of the tick


@dataclass(frozen=True)
class Arrivals(Part):
    """Expected traffic over the sale: an even part, a burst at the start and a rush before the close.

    With x the elapsed share of the sale and e(y; s) the exponential density of mean s truncated to [0, 1], the density
    of arrivals is

        1 - burst_share - late_share + burst_share·e(x; burst_scale) + late_share·e(1 - x; late_scale)

    Within a tick the rate is constant. Fits to published single-day sales give burst_share .11-.51 with burst_scale
    .01-.035, and late_share about .08.

    Args:
        customers_per_minute: mean over the whole sale.
        burst_share, late_share: share of all customers in the burst and in the rush.
        burst_scale, late_scale: mean distance from the start or the close, as a share of the sale.
        law: a key of `ARRIVAL_LAWS`; under "bernoulli" at most one customer comes in a tick.
        lottery_minutes: admission by lottery instead of first come, first served: whoever comes within a window of
            this length is admitted at its end, in random order. Whole ticks, and whole windows in the sale; 0 for none.

    Raises:
        ValueError: unknown law, or a value out of range; the message names it.
    """

    customers_per_minute: float = field(metadata=example(20.0))
    burst_share: float = 0.0
    burst_scale: float = 0.03
    late_share: float = 0.0
    late_scale: float = 0.05
    law: str = "poisson"
    lottery_minutes: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.law not in ARRIVAL_LAWS:
            raise ValueError(unknown_name("arrivals.law", self.law, ARRIVAL_LAWS))
        require_range(self, "customers_per_minute", "lottery_minutes")
        require_range(self, "burst_share", "burst_scale", "late_share", "late_scale", most=1.0)
        if self.burst_share + self.late_share > 1:
            raise ValueError(
                f"arrivals.burst_share + arrivals.late_share must be at most 1, got "
                f"{self.burst_share} + {self.late_share}."
            )
        if min(self.burst_scale, self.late_scale) <= 0:
            raise ValueError(
                f"arrivals.burst_scale and arrivals.late_scale must be above 0, got {self.burst_scale:g} and "
                f"{self.late_scale:g}."
            )

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """A scale without its share, a burst or rush in a sale of one tick, or a lottery in windows of one."""
        for name in ("burst", "late"):
            share, scale = getattr(self, f"{name}_share"), getattr(self, f"{name}_scale")
            # Bots come in a burst of their own with the same scale.
            races = name == "burst" and scenario.bots is not None
            if not share and not races and scale != getattr(Arrivals, f"{name}_scale"):
                yield (
                    f"arrivals.{name}_scale {scale:g} does nothing while {name}_share is 0. Give {name}_share, or "
                    f"leave {name}_scale out."
                )
            if share and scenario.horizon_ticks == 1:
                yield (
                    f"arrivals.{name}_share {share:g} does nothing in a sale of one tick, within which the rate is "
                    f"even. Take more, shorter ticks, or set {name}_share = 0."
                )
            elif share and self.lottery_minutes >= scenario.sale_minutes:
                yield (
                    f"arrivals.{name}_share {share:g} does nothing when arrivals.lottery_minutes "
                    f"{self.lottery_minutes:g} admits all customers in the last tick. Shorten it, or set "
                    f"{name}_share = 0."
                )
        if self.lottery_minutes and self._window_ticks(scenario) == 1:
            yield (
                f"arrivals.lottery_minutes {self.lottery_minutes:g} does nothing: it is one tick, within which "
                f"customers come in random order anyway. Take several ticks, or 0."
            )

    def check(self, scenario: ScenarioLike) -> None:
        """Refuse the law "bernoulli" if more than one customer is expected in a tick, and windows that do not fit.

        Raises:
            ValueError: more than one customer, a shock of traffic, a lottery under "bernoulli", or one whose windows
                are not whole ticks or do not fill the sale.
        """
        self._check_lottery(scenario)
        if self.law != "bernoulli":
            return
        likeliest = float(scenario.customers_per_tick.max()) * scenario.most_traffic
        if likeliest > 1 or scenario.shocks.traffic_sd:
            raise ValueError(
                f"arrivals.law 'bernoulli' needs at most 1 expected customer in every tick and no shock of traffic, "
                f"got {likeliest:g} (with every promotion that lifts traffic) and shocks.traffic_sd "
                f"{scenario.shocks.traffic_sd:g}; take more, shorter ticks or law 'poisson'."
            )

    def _check_lottery(self, scenario: ScenarioLike) -> None:
        if not self.lottery_minutes:
            return
        if self.law != "poisson":
            raise ValueError(
                f"arrivals.lottery_minutes needs arrivals.law 'poisson', in which any number of customers can be "
                f"admitted in a tick, got {self.law!r}."
            )
        ticks, window = self.lottery_minutes / scenario.tick_minutes, self._window_ticks(scenario)
        if window == 0 or abs(ticks - window) > 1e-9 * window or scenario.horizon_ticks % window:
            raise ValueError(
                f"arrivals.lottery_minutes must be whole ticks of {scenario.tick_minutes:g} minutes, and the sale of "
                f"{scenario.horizon_ticks} ticks whole windows, got {self.lottery_minutes:g} minutes, {ticks:g} ticks; "
                f"e.g. {scenario.sale_minutes:g}, one window for the whole sale."
            )

    def _window_ticks(self, scenario: ScenarioLike) -> int:
        return round(self.lottery_minutes / scenario.tick_minutes) if self.lottery_minutes else 1

    def admitted_until(self, scenario: ScenarioLike) -> npt.NDArray[np.int64]:
        """(T + 1,) the tick such that whoever came before it is admitted before tick 0, 1, ..., T.

        A lottery admits nobody before the end of the window. The last tick of a window then has all of its expected
        customers, and since a Poisson stream has no order within a tick, they come in random order.
        """
        window = self._window_ticks(scenario)
        return np.arange(scenario.horizon_ticks + 1) // window * window

    def cumulative_share(self, elapsed: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Expected share of customers who have come by the elapsed share of the sale; both in [0, 1], of any shape."""
        x = np.asarray(elapsed, np.float64)
        burst = np.expm1(-x / self.burst_scale) / np.expm1(-1 / self.burst_scale)
        late = 1 - np.expm1(-(1 - x) / self.late_scale) / np.expm1(-1 / self.late_scale)
        even = 1 - self.burst_share - self.late_share
        return np.asarray(even * x + self.burst_share * burst + self.late_share * late)


@scalar
def next_arrival(law, k, time, key, rate):
    """Time of point k of the dominating stream, after `time`, at `rate` points per tick; 1 or more if there is none."""
    u = streams.uniform(streams.subkey(key, streams.GAP))
    if law == BERNOULLI:
        # u < rate with probability rate; given that, u / rate is uniform on the tick.
        return u / rate if k == 0 else NEVER
    if 1.0 - u >= rate * (1.0 - time):
        return NEVER  # -ln(u) >= 1 - u, so the gap passes the end of the tick; this saves the logarithm in quiet ticks
    return time - math.log(u) / rate


@scalar
def class_of(rules, mix, key):
    """The latent class by a mix, cumulative over classes."""
    u = streams.uniform(streams.subkey(key, streams.CLASS))
    # No early exit, and the alias is always read: an unpredictable branch costs more.
    chosen = 0
    for c in range(rules.n_classes - 1):
        chosen += u >= mix[c]
    return chosen


@scalar
def voice_of(rules, voices, mix, key):
    """Row of the voice: its latent class by a mix, then by weight inside the class.

    Inside the class by Walker's alias method (Vose 1991, doi 10.1109/32.92917).
    """
    if len(voices) == 1:
        return 0
    chosen = class_of(rules, mix, key)
    position = streams.uniform(streams.subkey(key, streams.VOICE)) * rules.class_size[chosen]
    offset = int(position)
    row = rules.class_start[chosen] + offset
    alias = voices[row].alias
    return row if position - offset < voices[row].alias_below else alias


@scalar
def pick_voice(rules, voices, sale, key):
    """Row of the voice by the mix of this sale."""
    return voice_of(rules, voices, sale.mix, key)


@scalar
def begin_tick(rules, sale):
    """No customer has come yet; the weights of recent customers decay."""
    sale.tick_customers = 0
    sale.tick_came = 0.0
    sale.came_until = 0.0
    sale.recent_customers *= rules.memory
    sale.recent_expected *= rules.memory
    for j in range(rules.n_products):
        sale.recent_sold[j] *= rules.memory


@scalar
def write_tags(rules, sale):
    """Reset the coming share to 1; mechanisms that lift traffic multiply it by the share of their own most traffic."""
    sale.coming_share = 1.0


@scalar
def count_share(sale, share, time):
    """Add the share of the dominating stream that came between the last change and `time`."""
    sale.tick_came += share * (time - sale.came_until)
    sale.came_until = time


@scalar
def remember_tick(rules, sale, schedule):
    """Add the customers of this tick, and those expected under the promotion on offer, to the recent ones."""
    sale.recent_customers += sale.tick_customers
    sale.recent_expected += schedule[sale.tick, 0] * rules.most_traffic * sale.tick_came
    for j in range(rules.n_products):
        sale.recent_sold[j] += sale.tick_sold[j]


@scalar
def observe(rules, sale, schedule, out):
    """The clock, and recent customers relative to those expected."""
    time_left = (rules.horizon - sale.tick) / rules.horizon
    put(out, rules.at.time_left, time_left, 0.0, 1.0)
    put(out, rules.at.sqrt_time_left, math.sqrt(time_left), 0.0, 1.0)
    put(out, rules.at.customers_left, customers_left(rules, sale, schedule), 0.0, 1.0)
    if rules.at.conversion >= 0:
        for j in range(rules.n_products):
            conversion = math.sqrt(sale.recent_sold[j] / max(sale.recent_customers, 1.0))
            own = rivals.is_own(option(rules, "rivals"), j)
            put(out, rules.at.conversion + j, conversion if own else 0.0, 0.0, 1.0)
    if sale.tick > 0:
        ratio = sale.recent_customers / max(sale.recent_expected, 1e-12)
    else:
        ratio = messages.share_of_expected(option(rules, "messages"), option(sale, "messages"))
    put(out, rules.at.traffic, ratio, 0.0, 4.0)


@scalar
def customers_left(rules, sale, schedule):
    """Share of the sale's expected customers still to come."""
    return schedule[sale.tick, 2] if sale.tick < rules.horizon else 0.0


@scalar
def measure(rules, sale, out):
    """The number of customers, and units sold per customer."""
    out[rules.metric.customers] = sale.customers
    sold = 0
    for j in range(rules.n_products):
        if rivals.is_own(option(rules, "rivals"), j):
            sold += sale.sold[j]
    out[rules.metric.conversion] = sold / sale.customers if sale.customers > 0 else 0.0


def _is_uneven(scenario: ScenarioLike) -> bool:
    arrivals = scenario.arrivals
    return bool(arrivals.burst_share > 0 or arrivals.late_share > 0 or arrivals.lottery_minutes > 0)


def _demand_varies(scenario: ScenarioLike) -> bool:
    shocks = scenario.shocks
    return bool(shocks.appeal_sd or shocks.common_appeal_sd or shocks.mix_sd)


def _traffic_varies(scenario: ScenarioLike) -> bool:
    return bool(scenario.shocks.traffic_sd > 0)


MECHANISM = Mechanism(
    settings=Arrivals,
    state=lambda sizes: (
        ("coming_share", "f8"),  # share of the dominating stream that comes
        ("customers", "i8"),  # since the start of the sale
        ("visits", "i8"),  # * that saw the shop, those of customers who came back included
        ("tick_customers", "i8"),  # as the shop counts them: bots are not told apart
        ("tick_came", "f8"),  # share of the dominating stream that came in this tick, until `came_until`
        ("came_until", "f8"),
        # exponentially weighted
        ("recent_customers", "f8"),
        ("recent_expected", "f8"),  # under the promotion on offer
        ("recent_sold", "f8", (sizes.products,)),
    ),
    rules=lambda sizes: (("arrival_law", "i8"),),
    lay_out=lambda scenario: {"arrival_law": ARRIVAL_LAWS[scenario.arrivals.law]},
    features={
        "time_left": Feature("sale", 0.0, 1.0, "share of the horizon", "time until the close", "time"),
        "sqrt_time_left": Feature("sale", 0.0, 1.0, "square root of a share", "square root of time_left", "time"),
        "customers_left": Feature(
            "sale",
            0.0,
            1.0,
            "share of the sale's expected customers",
            "customers still expected",
            "time",
            applies=_is_uneven,
        ),
        "conversion": Feature(
            "product",
            0.0,
            1.0,
            "square root of units per customer",
            "recent sales per recent customer (exponentially weighted)",
            "demand",
            applies=_demand_varies,
            constant=lambda scenario, number: bool(scenario.products[number].owner),
            remembers=True,
        ),
        "traffic": Feature(
            "sale",
            0.0,
            4.0,
            "ratio",
            "recent customers over those expected under the coupon on offer; messages before the start",
            "demand",
            applies=_traffic_varies,
            remembers=True,
        ),
    },
    metrics={"customers": "number of customers", "conversion": "units sold per customer"},
    bounded=dict.fromkeys(
        ("customers_per_minute", "burst_share", "burst_scale", "late_share", "late_scale", "law"),
        "the dominating stream is the same under every policy",
    ),
    ranges={
        "customers_per_minute": Between(2.0, 20.0),
        "burst_share": OneOf((0.0, 0.11, 0.3, 0.51)),  # 0, or within the fit to published sales
        "burst_scale": Between(0.01, 0.035),
        "late_share": OneOf((0.0, 0.08)),
        "late_scale": Between(0.02, 0.1),
        "lottery_minutes": OneOf((0.0, 0.0, 0.0, 4.0, 10.0)),
    },
    begin_tick=begin_tick,
    write_tags=write_tags,
    observe=observe,
    measure=measure,
)
