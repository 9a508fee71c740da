"""An estimate with its confidence interval: the one type that every study reports."""

from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval, which covers the true value in a share `CONFIDENCE` of repetitions."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the sign of the true value is clear."""
        return self.low > 0 or self.high < 0
