"""A benchmark of rules, which takes seconds."""

from pathlib import Path

import pandas as pd
import pytest

RULES = """
description = "rules only"
training_seeds = [0]
evaluation_sales = 50

[[problems]]
scenario = "gvr-periodic"
against = "fixed_price"
agents = ["random", "fixed_price", "myopic"]
"""


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return path


def table(folder: Path) -> pd.DataFrame:
    """`results.csv` without the seconds, which no two runs share."""
    return pd.read_csv(folder / "results.csv").drop(columns="training_seconds")


def rows(result, problem):
    """The table of a problem, and its rows by label."""
    found = next(entry for entry in result["problems"] if entry["name"] == problem)
    return found, {row["label"]: row for row in found["rows"]}
