"""An estimate with its confidence interval: every study reports this type."""

from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval at level `CONFIDENCE`.

    Args:
        mean: the point estimate, in the units of the quantity.
        low, high: the ends of the interval.
    """

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval excludes 0: the sign of the estimate is significant at level `CONFIDENCE`."""
        return self.low > 0 or self.high < 0
