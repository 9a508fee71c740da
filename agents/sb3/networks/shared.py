"""The network with weights shared by all products, for any number of products.

Owns    features per product, standardised by their kind; an actor and a critic whose weights all products share.
Leaves  the interface, and what a merchant computes, to `networks.base`; advice and noise to `sb3.policy`.
Axes    N sales, M products, C columns of a box action, G numbers of the whole sale, P numbers of one product, H width
        of the last hidden layer.

No parameter has an axis of length M, so a policy trained on 8 products plays a sale of 32. Products differ only in
their own numbers: stock, sales, and the constants of the scenario. Shared weights and a mean over products are the deep
sets of Zaheer et al. (2017, arXiv:1703.06114). They are equivariant: swapping two products swaps their corrections.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from flashsale_env import DECISIONS, ActionCodec, Scenario
from flashsale_env.agents.sb3.networks.base import (
    SMALLEST_SD,
    WIDEST,
    AdvisedFeatures,
    AdvisedNetworks,
    derive,
    layers,
)
from flashsale_env.agents.sb3.settings import CUSTOMERS, EVERYTHING, OF_CUSTOMERS
from flashsale_env.scenario import FEATURES


class ProductFeatures(AdvisedFeatures):
    """Numbers of the sale, then of every product, then the advice: (N, G + M·P + C).

    | of every product | |
    |---|---|
    | its features | as observed; sales per customer as a share of an even split, times M |
    | what a merchant computes | see `networks.base.derive` |
    | list price, stock | logarithm, relative to the mean of the products |
    | cost, salvage, lowest price | as a share of the list price; the cost with the freight of an order |
    | reserve | as a share of all units |

    None of them depends on how many products share the customers. Mean and standard deviation of every number are
    measured once, by `fit`, over all products together, and saved with the weights.

    Args:
        observation_space: observation and advice, (D + C,).
        advice: C.
        columns: feature name -> (first, last + 1) of the observation.
        low, high: bounds of the observation.
        customers: expected customers of the sale / all units of each product, (M,).
        derived: names for `derive`.
        constants: name -> (M,).
        columns_of: kind of decision -> the product of each of its columns; [] for kinds without products.
        n_columns: kind of decision -> number of its columns.
        reacts_to: inputs of actor and critic: "everything", or only "customers", time and the constants.
    """

    customers: torch.Tensor
    constants: torch.Tensor

    def __init__(
        self,
        observation_space: Any,
        advice: int,
        columns: dict[str, tuple[int, int]],
        low: Sequence[float],
        high: Sequence[float],
        customers: Sequence[float],
        derived: Sequence[str],
        constants: dict[str, list[float]],
        columns_of: dict[str, list[int]],
        n_columns: dict[str, int],
        reacts_to: str = EVERYTHING,
    ) -> None:
        products = len(customers)
        of_products = [name for name in columns if FEATURES[name].per.startswith("product")]
        of_sale = [name for name in columns if name not in of_products]
        if reacts_to == CUSTOMERS:
            of_sale = [name for name in OF_CUSTOMERS if name in columns]
            of_products, derived = [], []
        widths = {name: columns[name][1] - columns[name][0] for name in of_sale}
        widths |= {name: (columns[name][1] - columns[name][0]) // products for name in of_products}
        self.of_sale = sum(widths[name] for name in of_sale)
        self.of_product = sum(widths[name] for name in of_products) + len(derived) + len(constants)
        super().__init__(observation_space, features_dim=self.of_sale + products * self.of_product + advice)
        self.advice, self.products = advice, products
        self.columns_of, self.n_columns = columns_of, n_columns
        self._columns = columns
        self._sale_names, self._product_names, self._derived_names = of_sale, of_products, tuple(derived)
        # One module a number, by name: a policy with other features fails to load.
        self.standards = nn.ModuleDict(
            {
                name: _Standard(width, SMALLEST_SD * (high[columns[name][0]] - low[columns[name][0]]))
                for name, width in widths.items()
            }
            | {name: _Standard(1, SMALLEST_SD) for name in (*derived, *constants)}
        )
        self.register_buffer("customers", torch.tensor(customers), persistent=False)
        self._constant_names = list(constants)
        self.register_buffer("constants", torch.tensor(list(constants.values())), persistent=False)

    @classmethod
    def of_scenario(cls, scenario: Scenario) -> dict[str, Any]:
        codec = ActionCodec(scenario)
        columns_of, n_columns = {}, {}
        for kind in dict.fromkeys(column_kind(name) for name in codec.names):
            columns = codec.columns(kind)
            by_product = tuple(DECISIONS[kind].labels(scenario)) == scenario.titles
            columns_of[kind] = codec.numbers_of(columns).tolist() if by_product else []
            n_columns[kind] = len(columns)
        return {
            **super().of_scenario(scenario),
            "constants": _constants(scenario),
            "columns_of": columns_of,
            "n_columns": n_columns,
        }

    def fit(self, shown: torch.Tensor) -> None:
        for name, numbers in self._numbers(shown).items():
            standard = self.standards[name]
            assert isinstance(standard, _Standard)
            standard.fit(numbers)

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        """(N, D + C) -> (N, G + M·P + C)."""
        numbers = self._numbers(shown)
        standard = {name: self.standards[name](values) for name, values in numbers.items()}
        of_sale = [standard[name].flatten(1) for name in self._sale_names]
        of_product = [standard[name] for name in numbers if name not in self._sale_names]
        together = torch.cat([part.expand(len(shown), -1, -1) for part in of_product], dim=2)
        return torch.cat([*of_sale, together.flatten(1), shown[:, -self.advice :]], dim=1)

    def split(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The output of `forward` -> numbers of the sale (N, G) and of its products (N, M, P)."""
        of_products = features[:, self.of_sale : -self.advice]
        return features[:, : self.of_sale], of_products.reshape(-1, self.products, self.of_product)

    def _numbers(self, shown: torch.Tensor) -> dict[str, torch.Tensor]:
        """Name -> (N, 1, its length) of the sale's, (N or 1, M, its length) of the products'."""
        observations = shown[:, : -self.advice]
        named = {name: observations[:, first:end] for name, (first, end) in self._columns.items()}
        numbers = {name: named[name].unsqueeze(1) for name in self._sale_names}
        for name in self._product_names:
            values = named[name].reshape(len(observations), self.products, -1)
            # The observation holds sqrt(units per customer). Times sqrt(M), its square is the conversion relative to an
            # even split among the M products.
            numbers[name] = values * self.products**0.5 if name == "conversion" else values
        derived = derive(named, self.customers, self._derived_names)
        numbers |= {name: values.unsqueeze(2) for name, values in derived.items()}
        return numbers | {
            name: values[None, :, None] for name, values in zip(self._constant_names, self.constants, strict=True)
        }


class _Standard(nn.Module):
    """(x - mean) / standard deviation, with the same mean and standard deviation for every product.

    Args:
        width: numbers a row.
        floor: least standard deviation.
    """

    centre: torch.Tensor
    spread: torch.Tensor  # standard deviations; saved policies hold them under this name

    def __init__(self, width: int, floor: float) -> None:
        super().__init__()
        self._floor = floor
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))

    def fit(self, numbers: torch.Tensor) -> None:
        """Measure mean and standard deviation of numbers (N, M, width)."""
        rows = numbers.flatten(0, 1)
        self.centre.copy_(rows.mean(dim=0))
        self.spread.copy_(rows.std(dim=0, correction=0).clamp(min=self._floor))

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        """(N, M, width) -> the same."""
        return ((numbers - self.centre) / self.spread).clamp(-WIDEST, WIDEST)


class _Trunk(nn.Module):
    """A hidden state of every product, and the mean of all.

    Args:
        of_sale, of_product: G, P.
        widths: of the hidden layers.

    Attributes:
        own, common: length of a product's own vector (H + P) and of the sale's (H + P + G).
    """

    def __init__(self, of_sale: int, of_product: int, widths: Sequence[int]) -> None:
        super().__init__()
        # One linear layer of (sale, product), split in two: the sale's part is computed once, not for every product.
        self.of_product = nn.Linear(of_product, widths[0])
        self.of_sale = nn.Linear(of_sale, widths[0], bias=False) if of_sale else None
        self.deeper = layers(widths[0], widths[1:])
        self.own = widths[-1] + of_product
        self.common = self.own + of_sale

    def forward(self, sale: torch.Tensor, products: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, G) and (N, M, P) -> every product's own vector (N, M, H + P), and the sale's (N, H + P + G)."""
        hidden = self.of_product(products)
        if self.of_sale is not None:
            hidden = hidden + self.of_sale(sale).unsqueeze(1)
        own = torch.cat([self.deeper(torch.tanh(hidden)), products], dim=2)
        return own, torch.cat([own.mean(dim=1), sale], dim=1)


class SharedNetworks(AdvisedNetworks):
    """Actor and critic whose weights all products share, with hidden layers and a linear shortcut.

    A product's corrections of price and order are linear in its own vector and the mean over all products; those of
    coupon and targeted offers, and the value, in the mean alone. All are zero before the first update. There is no
    memory: an LSTM reads features of a fixed number of products.

    Raises:
        ValueError: memory is not 0.
    """

    reads: ClassVar[type[AdvisedFeatures]] = ProductFeatures
    encodings: ClassVar[tuple[str, ...]] = ("box",)
    any_products: ClassVar[bool] = True

    @staticmethod
    def noise_kinds(codec: ActionCodec) -> list[int]:
        """One standard deviation each for all prices, all orders, the coupon, and all targeted offers."""
        kinds = list(dict.fromkeys(column_kind(name) for name in codec.names))
        return [kinds.index(column_kind(name)) for name in codec.names]

    def __init__(self, features: AdvisedFeatures, memory: int, outputs: int, widths: Sequence[int]) -> None:
        super().__init__(features, memory, outputs, widths)
        assert isinstance(features, ProductFeatures)
        if memory:
            raise ValueError(
                "policy 'per_product' has no memory: a memory reads features of a fixed number of products. Use 'ppo' "
                "or 'a2c', or policy 'merchant'."
            )
        self._split = features.split
        self._columns_of = features.columns_of
        self.actor = _Trunk(features.of_sale, features.of_product, widths)
        self.critic = _Trunk(features.of_sale, features.of_product, widths)
        self.critic_width = self.critic.common
        self.own = nn.ModuleDict(
            {kind: nn.Linear(self.actor.own, 1, bias=False) for kind, of in self._columns_of.items() if of}
        )
        common = {
            kind: nn.Linear(self.actor.common, 1 if of else features.n_columns[kind])
            for kind, of in self._columns_of.items()
        }
        self.common = nn.ModuleDict(common)
        columns = sum(len(of) or common[kind].out_features for kind, of in self._columns_of.items())
        assert columns == outputs, f"{columns} corrections for {outputs} columns"

    def correct_nothing(self) -> None:
        for part in (*self.own.values(), *self.common.values()):
            for parameter in part.parameters():
                parameter.zero_()

    def correct(self, features: torch.Tensor) -> torch.Tensor:
        own, common = self.actor(*self._split(features))
        corrections = []
        for kind, products in self._columns_of.items():
            of_all = self.common[kind](common)
            corrections.append(of_all + self.own[kind](own).squeeze(2)[:, products] if products else of_all)
        return torch.cat(corrections, dim=1)

    def value(self, features: torch.Tensor) -> torch.Tensor:
        common: torch.Tensor = self.critic(*self._split(features))[1]
        return common


def column_kind(name: str) -> str:
    """The decision of a column of the action, a key of `DECISIONS`: "price" for "price[air fryer]"."""
    return name.partition("[")[0]


def _constants(scenario: Scenario) -> dict[str, list[float]]:
    """Name -> (M,) constants that distinguish the products before anything is sold, independent of their number."""
    products = scenario.products
    freight = scenario.replenishment.freight_per_unit if scenario.replenishment else 0.0
    prices = torch.tensor([p.list_price for p in products], dtype=torch.float64)
    units = torch.tensor(scenario.stock_scale, dtype=torch.float64)
    columns = {
        "list_price": (prices / prices.mean()).log(),
        "stock": (units / units.mean()).log(),
        "cost": torch.tensor([p.unit_cost + freight for p in products]) / prices,
        "salvage": torch.tensor([p.salvage_value for p in products]) / prices,
        "lowest_price": torch.tensor([p.price_levels[-1] for p in products]) / prices,
        "units_in_reserve": torch.tensor([float(p.reserve) for p in products]) / units,
    }
    return {name: values.tolist() for name, values in columns.items()}
