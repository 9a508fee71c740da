"""N sales at once, without Gymnasium.

Owns    the batch: opening sales, playing ticks, splitting rows over threads.
Axes    N sales first everywhere; M products, C columns of an action, D numbers of an observation, K reward terms.

A single environment is this class with N = 1. Rows are independent, so the number of threads changes only the run
time.
"""

import contextlib
import dataclasses
import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flashsale_env.core.compiler import JIT_DISABLED
from flashsale_env.population import Population, load_population
from flashsale_env.sale import kernel, opening
from flashsale_env.sale.composition import log_dtype, present, rules_dtype, sale_dtype, voice_dtype
from flashsale_env.sale.instance import build_instance
from flashsale_env.scenario import METRICS, REWARD_TERMS, Scenario, load_scenario
from flashsale_env.seeds import seed_array
from flashsale_env.spaces.actions import ActionCodec
from flashsale_env.spaces.observations import Layout
from flashsale_env.tables import as_declared

# Below this many customers a tick is played in the calling thread: handing a task to another thread costs as much.
_WORTH_A_THREAD = 2_000
# Numba has types of their own for arrays that are read-only or not contiguous, and would compile the core for each.
_FOR_CORE: Final = ("C", "W")

_pool: ThreadPoolExecutor | None = None
_pool_owner: tuple[int, int] | None = None
_pool_lock = threading.Lock()


def _workers(threads: int) -> ThreadPoolExecutor:
    """The process's thread pool. A forked child gets a new one, because it inherits no threads."""
    global _pool, _pool_owner
    with _pool_lock:
        if _pool is None or _pool_owner is None or _pool_owner[0] != os.getpid() or _pool_owner[1] < threads:
            _pool = ThreadPoolExecutor(threads, thread_name_prefix="flashsale")
            _pool_owner = (os.getpid(), threads)
        return _pool


def _after_fork() -> None:
    global _pool_lock, _pool_owner
    _pool_lock = threading.Lock()
    _pool_owner = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _kernel_view(array: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """The array with fields as attributes, as the core reads them; plain numpy offers that on a recarray only."""
    return array.view(np.recarray) if JIT_DISABLED else array


def _call(function: Any, arguments: tuple[Any, ...], begin: int, end: int) -> None:
    function(*arguments, begin, end)


def checked_count(name: str, value: Any, least: int) -> int:
    """A count as a Python integer.

    Raises:
        ValueError: not a whole number, or below the least.

    >>> checked_count("sales", 8, 1)
    8
    """
    number: int = as_declared(int, value, name)
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}.")
    return number


def _free_memory() -> int | None:
    """Bytes of free memory, or None where the system does not report them."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _require_memory(sales: int, bytes_each: int) -> None:
    """Refuse a batch that does not fit into memory: some systems grant any allocation and kill the process later."""
    needed, free = sales * bytes_each, _free_memory()
    if free is not None and needed > free:
        raise ValueError(
            f"{sales:,} sales at once take {sales:,} x {bytes_each:,} bytes = {needed / 1e9:,.0f} GB of memory, and "
            f"{free / 1e9:,.0f} GB are free: at most {free // bytes_each:,} sales. Play them one batch after another."
        )


def _refuse_agents(scenario: Scenario) -> None:
    for seller in scenario.rivals.sellers if scenario.rivals is not None else ():
        if seller.script == "agent":
            raise ValueError(
                f"scenario {scenario.name!r}: an agent decides for seller {seller.name!r}, and here the shop is the "
                f"only agent. Give the seller a script, e.g. 'undercut', or play with flashsale_env.envs.sellers."
            )


class Simulator:
    """A batch of N sales of one scenario.

    Args:
        scenario: name, path or object.
        population: name, folder or object; the scenario's own by default.
        sales: N.
        actions: encoding of the actions, see `flashsale_env.spaces.actions`.
        clip_actions: whether box actions are cut to [-1, 1] before they are checked.
        threads: rows are split over at most this many threads; all usable cores by default.
        log_rows: visits of each sale that are recorded for `choice_log`; 0 records none.
        several_sellers: whether rivals with the script "agent" may be decided on too; their columns are part of the
            action then, see `envs.sellers`.

    Attributes:
        sales: (N,) structured array, the whole state; `sales["on_hand"]` is (N, M). Copy it for a snapshot and assign
            a copy back (`simulator.sales[:] = snapshot`) to return to it.
        plays_own_population: whether the customers are those named by the scenario.

    Raises:
        ValueError: unknown names, wrong counts, or more sales than the machine has memory for.
    """

    def __init__(
        self,
        scenario: str | os.PathLike[str] | Scenario,
        population: str | os.PathLike[str] | Population | None = None,
        *,
        sales: int = 1,
        actions: str = "box",
        clip_actions: bool = False,
        threads: int | None = None,
        log_rows: int = 0,
        several_sellers: bool = False,
    ) -> None:
        sales, log_rows = checked_count("sales", sales, 1), checked_count("log_rows", log_rows, 0)
        threads = None if threads is None else checked_count("threads", threads, 1)
        self.scenario = load_scenario(scenario)  # type: ignore[arg-type]
        if not several_sellers:
            _refuse_agents(self.scenario)
        self.plays_own_population = population is None or population == self.scenario.population
        self.population = load_population(
            self.scenario.population if population is None else population,  # type: ignore[arg-type]
            self.scenario.titles,
        )
        self.layout = Layout(self.scenario)
        self.codec = ActionCodec(self.scenario, actions, clip=clip_actions)
        self.instance = build_instance(self.scenario, self.population, self.layout)
        products = len(self.scenario.products)
        visit = log_dtype(products)
        _require_memory(sales, self.instance.sale_dtype.itemsize + log_rows * visit.itemsize + 4 * self.layout.size)
        self.sales = _kernel_view(np.zeros(sales, self.instance.sale_dtype))
        self._logs = np.zeros((sales, log_rows), visit)
        self._opened = np.zeros(sales, np.bool_)
        self._all_opened = False
        self._usable = threads or _usable_cores()
        busiest = float(self.instance.schedule[:, 0].mean())
        self._threads = min(self._usable, max(1, int(sales * busiest / _WORTH_A_THREAD)))
        self._everyone = np.arange(sales)
        self._bind()

    def _bind(self) -> None:
        """Look up once what every call passes to the core unchanged: a call takes only microseconds."""
        instance = self.instance
        self._fixed = (
            self.sales,
            _kernel_view(instance.rules),
            _kernel_view(instance.voices),
            instance.schedule,
            instance.grids,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_fixed"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # A copy carries equal dtypes of its own. The cached ones are recognised by identity (see `composition`).
        products, optional = len(self.scenario.products), present(self.scenario)
        slots, rows = self.instance.sale_dtype["inbound"].shape[0], int(self.instance.rules["n_rows"][0])
        sale = sale_dtype(products, slots, optional)
        self.sales = _kernel_view(self.sales.view(sale))
        self._logs = self._logs.view(log_dtype(products))
        self.instance = dataclasses.replace(
            self.instance,
            sale_dtype=sale,
            rules=self.instance.rules.view(rules_dtype(products, slots, optional, rows)),
            voices=self.instance.voices.view(voice_dtype(products)),
        )
        self._bind()

    def __len__(self) -> int:
        return len(self.sales)

    @property
    def closed(self) -> npt.NDArray[np.bool_]:
        """(N,) whether the sale is over."""
        return np.asarray(self.sales["tick"] >= self.scenario.horizon_ticks)

    @property
    def episode_ticks(self) -> int:
        """Ticks of an episode: of the sale."""
        return self.scenario.horizon_ticks

    @property
    def elapsed(self) -> npt.NDArray[np.int64]:
        """(N,) ticks of the episode that were played."""
        return np.asarray(self.sales["tick"])

    @property
    def log_rows(self) -> int:
        """Visits of each sale that are recorded."""
        return int(self._logs.shape[1])

    def open(
        self,
        seeds: npt.NDArray[np.uint64],
        episodes: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Open new sales.

        Args:
            seeds: (rows,) whole numbers in 0..2^64 - 1.
            episodes: (rows,) number of the sale under its seed, from 0.
            rows: which rows of the batch are opened; all by default.

        Returns:
            First observations, (rows, D) float32; a fresh array.

        Raises:
            ValueError: the seeds are not one whole number of at least 0 for each row.
        """
        rows = self._everyone if rows is None else rows
        seeds = seed_array(seeds, len(rows))
        self.sales[rows] = np.zeros(1, self.sales.dtype)
        self._opened[rows] = True
        self._all_opened = self._all_opened or bool(self._opened.all())
        observations = np.empty((len(rows), self.layout.size), np.float32)
        self._split(
            kernel.open_sales,
            len(rows),
            (
                *self._fixed,
                np.require(seeds, np.uint64, _FOR_CORE),
                np.require(episodes, np.int64, _FOR_CORE),
                np.require(rows, np.int64, _FOR_CORE),
                observations,
            ),
        )
        return observations

    def advance(
        self, actions: object
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Play one tick of every open sale.

        Args:
            actions: (N, C), or (N,) for the discrete encoding. All are checked before any sale is played.

        Returns:
            observations (N, D) float32; rewards (N,), currency; reward terms (N, K) in the order of `REWARD_TERMS`,
            currency. Fresh arrays. A closed sale earns 0 and repeats its last observation.

        Raises:
            ValueError: wrong shape, not a number, or out of range.
            RuntimeError: a sale was never opened.
        """
        n = len(self.sales)
        if not self._all_opened:
            raise RuntimeError(f"{int((~self._opened).sum())} of {n} sales were never opened: call open() first.")
        checked = self.codec.check(actions, n)
        observations = np.empty((n, self.layout.size), np.float32)
        rewards = np.empty(n)
        terms = np.empty((n, len(REWARD_TERMS)))
        encoding = self.codec.kernel_encoding
        arguments = (*self._fixed, encoding, checked, observations, rewards, terms, _kernel_view(self._logs))
        if self._is_split(n):
            bad = kernel.first_invalid(self._fixed[1], encoding, checked)
            if bad < 0:
                self._split(kernel.advance, n, arguments)
        else:
            bad = self._split(kernel.advance, n, arguments)
        if bad >= 0:
            raise self.codec.complain(checked[bad], int(bad), n)
        return observations, rewards, terms

    def observe(self, rules: npt.NDArray[np.void] | None = None) -> npt.NDArray[np.float32]:
        """Observations of all sales as they stand, (N, D); a fresh array.

        Args:
            rules: those of another seller, of the type of `instance.rules`; by default the shop's.
        """
        out = np.empty((len(self.sales), self.layout.size), np.float32)
        kernel.observe(self.sales, self._rules(rules), self.instance.schedule, out)
        return out

    def settle(self, rules: npt.NDArray[np.void], played: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """Reward terms of another seller in the tick that was just played, (N, K), currency; a fresh array.

        Args:
            rules: of that seller.
            played: (N,) sales that were open before the tick.
        """
        terms = np.empty((len(self.sales), len(REWARD_TERMS)))
        kernel.settle(self.sales, self._rules(rules), played, terms)
        return terms

    def measure(
        self, rules: npt.NDArray[np.void] | None = None, money: npt.NDArray[np.float64] | None = None
    ) -> npt.NDArray[np.float64]:
        """Metrics of every sale so far, (N, number of metrics) in the order of `METRICS`; a fresh array.

        Args:
            rules: as for `observe`.
            money: (N, K) reward terms of that seller since the start of the sale; by default the shop's.
        """
        sales = self.sales
        if money is not None:
            sales = sales.copy()
            sales["money"] = money
        out = np.empty((len(sales), len(METRICS)))
        kernel.measure(sales, self._rules(rules), out)
        return out

    def _rules(self, rules: npt.NDArray[np.void] | None) -> npt.NDArray[np.void]:
        return self._fixed[1] if rules is None else _kernel_view(rules)

    def record_visits(self, log_rows: int) -> None:
        """Record up to this many visits of each sale from now on; what is recorded already is kept.

        Raises:
            ValueError: not a whole number of at least the present `log_rows`.
        """
        log_rows = checked_count("log_rows", log_rows, self.log_rows)
        logs = np.zeros((len(self.sales), log_rows), self._logs.dtype)
        logs[:, : self.log_rows] = self._logs
        self._logs = logs

    def writers_before(self, row: int = 0) -> npt.NDArray[np.int64]:
        """Rows of the population who wrote before the start of a sale of the batch, in order."""
        number = np.zeros(1, np.int64)
        self.ask_core(opening.writers_of, row, np.zeros(0, np.int64), number)
        writers = np.zeros(int(number[0]), np.int64)
        self.ask_core(opening.writers_of, row, writers, np.zeros(1, np.int64))
        return np.asarray(self.instance.voice_rows[writers], np.int64)

    def writers_since(self, visits: int, row: int = 0) -> npt.NDArray[np.int64]:
        """Rows of the population who left a message at visit number `visits` of a sale of the batch or later, in order.

        Raises:
            ValueError: a later visit was not recorded.
        """
        made, room = int(self.sales["visits"][row]), self.log_rows
        if made > room:
            raise ValueError(
                f"{made - room:,} of {made:,} visits were not recorded: call record_visits({made}) before."
            )
        visited = self._logs[row, visits:made]
        return np.asarray(self.instance.voice_rows[visited["voice"][visited["wrote"] == 1]], np.int64)

    def choice_log(self) -> npt.NDArray[np.void]:
        """Every visit of all sales so far, sale by sale in time order.

        Returns:
            (visits,) records of `composition.log_dtype`. `row`, `seed` and `episode` identify the sale of a visit;
            `voice` is a row of the population.

        Raises:
            ValueError: a sale had more visits than `log_rows`, so the log is incomplete.
        """
        visits, room = self.sales["visits"], self.log_rows
        missing = np.maximum(visits - room, 0)
        if missing.any():
            raise ValueError(
                f"{missing.sum():,} of {visits.sum():,} visits were not recorded: {np.count_nonzero(missing)} of "
                f"{len(visits)} sales had more than log_rows = {room:,}, the busiest one {visits.max():,}. "
                f"Make the simulator with log_rows={visits.max()} or more and play the sales again."
            )
        return self._recorded(self._everyone)

    def _recorded(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.void]:
        """The visits of these sales that were recorded, complete or not, sale by sale in time order."""
        numbers = np.minimum(self.sales["visits"][rows], self.log_rows)
        log = np.concatenate([self._logs[i, :n] for i, n in zip(rows, numbers, strict=True)])
        log["voice"] = self.instance.voice_rows[log["voice"]]
        log["row"] = np.repeat(rows, numbers)
        for name in ("seed", "episode"):
            log[name] = np.repeat(self.sales[name][rows], numbers)
        return log

    def ask_core(self, function: Any, *arguments: Any) -> Any:
        """Call an entry point of the core with (sales, rules, voices, schedule) and these arguments."""
        with np.errstate(over="ignore"):  # see `_split`
            return function(*self._fixed[:4], *arguments)

    def _is_split(self, rows: int) -> bool:
        return self._threads > 1 and rows > 1 and not JIT_DISABLED

    def _split(self, function: Any, rows: int, arguments: tuple[Any, ...]) -> Any:
        """Call a compiled function over [0, rows), in several threads where that pays.

        Returns the result of the call if there was only one, else None.
        """
        if JIT_DISABLED:
            with np.errstate(over="ignore"):  # 64-bit mixing wraps around; only plain numpy warns
                return function(*arguments, 0, rows)
        if not self._is_split(rows):
            return function(*arguments, 0, rows)
        edges = np.linspace(0, rows, min(self._threads, rows) + 1).astype(int)
        pool = _workers(self._usable)
        tasks = [pool.submit(_call, function, arguments, a, b) for a, b in itertools.pairwise(edges[1:])]
        try:
            function(*arguments, edges[0], edges[1])
        finally:
            wait(tasks)
        for task in tasks:
            task.result()
        return None
