"""A sale as a gymnax environment, for learners in JAX.

Owns    the state of a sale as an array of bytes, and the calls from JAX to the simulator.
Leaves  the sale to `simulator`, automatic resets to gymnax.
Needs   the extra `jax`: gymnax and JAX.

JAX calls the simulator once for a whole batch, however `vmap`, `scan` and `jit` are nested around it
(`jax.pure_callback`). The state holds the whole sale, so it can be stored, copied and played again from any tick: a
step depends on nothing else. Rewards and observations are float32.

    env = FlashSaleGymnax("gvr-periodic")
    observation, state = env.reset(jax.random.key(0))
    observation, state, reward, done, info = env.step(key, state, action)       # gymnax 1.0: ..., terminated, truncated
"""

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env.population import Population
from flashsale_env.scenario import Scenario
from flashsale_env.simulator import Simulator

try:
    import jax
    import jax.numpy as jnp
    from flax import struct
    from gymnax.environments import spaces
    from gymnax.environments.environment import Environment
except ImportError as error:
    raise ImportError(f"{error}: sales in JAX need gymnax, pip install 'flashsale-env[jax]'.") from None

# JAX may call from several threads, and a simulator plays one batch at a time.
_playing = threading.Lock()


@struct.dataclass
class SaleState:
    """A sale.

    Args:
        time: ticks that have been played.
        sale: (B,) bytes, the sale's record in the simulator.
    """

    time: jax.Array
    sale: jax.Array


@struct.dataclass
class SaleParams:
    """What gymnax asks of every environment: a limit above the horizon, at which a sale closes by itself."""

    max_steps_in_episode: int


class FlashSaleGymnax(Environment):  # type: ignore[misc]  # gymnax has no types
    """One sale in gymnax's interface; a batch is `jax.vmap` of it.

    Args:
        scenario, population, actions: as for `FlashSaleEnv`.
        clip_actions: whether box actions are cut to [-1, 1]; a policy of normal distributions exceeds them.
        reward_scale: factor on the rewards.

    A sale that closes is `terminated`; its seed comes from the key of the reset.
    """

    def __init__(
        self,
        scenario: str | Scenario = "standard",
        population: str | Population | None = None,
        actions: str = "box",
        *,
        clip_actions: bool = True,
        reward_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.reward_scale = reward_scale
        self._options: dict[str, Any] = {"actions": actions, "clip_actions": clip_actions and actions == "box"}
        self._made_of = (scenario, population)
        self._simulators: dict[int, Simulator] = {}  # by the number of sales
        one = self._simulator(1)
        self.scenario, self.layout, self.codec = one.scenario, one.layout, one.codec
        self._bytes = one.sales.dtype.itemsize

    def _simulator(self, sales: int) -> Simulator:
        if sales not in self._simulators:
            simulator = Simulator(*self._made_of, sales=sales, **self._options)
            simulator.open(np.zeros(sales, np.uint64), np.zeros(sales, np.int64))
            self._simulators[sales] = simulator
        return self._simulators[sales]

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return self.scenario.name

    @property
    def default_params(self) -> SaleParams:
        """A limit that no sale reaches."""
        return SaleParams(max_steps_in_episode=self.scenario.horizon_ticks + 1)  # type: ignore[call-arg]

    @property
    def num_actions(self) -> int:
        """Actions of the discrete encoding; columns of the others."""
        return int(getattr(self.codec.space, "n", len(self.codec.names)))

    def action_space(self, params: SaleParams | None = None) -> Any:
        """gymnax's Box or Discrete.

        Raises:
            ValueError: the encoding is multidiscrete, for which gymnax has no space.
        """
        if self.codec.encoding == "discrete":
            return spaces.Discrete(self.num_actions)
        if self.codec.encoding == "box":
            return spaces.Box(-1.0, 1.0, (len(self.codec.names),))
        raise ValueError("gymnax has no space for multidiscrete actions: use actions='box' or 'discrete'.")

    def observation_space(self, params: SaleParams | None = None) -> Any:
        """gymnax's Box with the bounds of every number."""
        return spaces.Box(jnp.asarray(self.layout.low), jnp.asarray(self.layout.high), (self.layout.size,))

    def reset_env(self, key: jax.Array, params: SaleParams | None = None) -> tuple[jax.Array, SaleState]:
        """Open the sale of a key."""
        words = jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key
        shapes = (self._shape((self.layout.size,), jnp.float32), self._shape((self._bytes,), jnp.uint8))
        observation, sale = jax.pure_callback(self._open, shapes, words, vmap_method="broadcast_all")
        return observation, SaleState(time=jnp.int32(0), sale=sale)  # type: ignore[call-arg]

    def step_env(
        self, key: jax.Array, state: SaleState, action: Any, params: SaleParams | None = None
    ) -> tuple[jax.Array, SaleState, jax.Array, jax.Array, dict[str, jax.Array]]:
        """Play one tick."""
        shapes = (
            self._shape((self.layout.size,), jnp.float32),
            self._shape((self._bytes,), jnp.uint8),
            self._shape((), jnp.float32),
            self._shape((), jnp.bool_),
        )
        # Learners drop the axis of an action with a single column.
        whole = jnp.reshape(jnp.asarray(action), self.codec.space.shape or ())
        observation, sale, reward, closed = jax.pure_callback(
            self._advance, shapes, state.sale, whole, vmap_method="broadcast_all"
        )
        left = {"discount": 1.0 - closed.astype(jnp.float32)}
        after = SaleState(time=state.time + 1, sale=sale)  # type: ignore[call-arg]
        return observation, after, reward, closed, left

    @staticmethod
    def _shape(shape: tuple[int, ...], kind: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, kind)

    def _open(self, words: Any) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        """Observations and bytes for keys of two 32-bit words each, (..., 2)."""
        words = np.asarray(words)
        batch, pairs = words.shape[:-1], words.reshape(-1, words.shape[-1]).astype(np.uint64)
        seeds = pairs[:, -2] << np.uint64(32) | pairs[:, -1]
        with _playing:
            simulator = self._simulator(len(seeds))
            observations = simulator.open(seeds, np.zeros(len(seeds), np.int64))
            sales = self._bytes_of(simulator)
        return observations.reshape(*batch, -1), sales.reshape(*batch, -1)

    def _advance(self, sales: Any, actions: Any) -> tuple[Any, ...]:
        """Observations, bytes, rewards and closes for bytes (..., B) and actions (..., C) or (...)."""
        sales, actions = np.ascontiguousarray(sales), np.asarray(actions)
        batch = sales.shape[:-1]
        flat = sales.reshape(-1, self._bytes)
        with _playing:
            simulator = self._simulator(len(flat))
            simulator.sales[:] = flat.view(simulator.sales.dtype)[:, 0]
            observations, rewards, _ = simulator.advance(actions.reshape(len(flat), *actions.shape[len(batch) :]))
            played, closed = self._bytes_of(simulator), simulator.closed
        scaled = (self.reward_scale * rewards).astype(np.float32)
        return (
            observations.reshape(*batch, -1),
            played.reshape(*batch, -1),
            scaled.reshape(batch),
            closed.reshape(batch),
        )

    def _bytes_of(self, simulator: Simulator) -> npt.NDArray[np.uint8]:
        return np.frombuffer(simulator.sales.tobytes(), np.uint8).reshape(len(simulator), -1)
