"""Figures: medians, targets, and the frame of a result."""

import pytest

from flashsale_env.experiments.bench.measuring import Row, Session, alternate, make_row, ratio_row


@pytest.mark.parametrize(
    ("value", "direction", "met"),
    [
        (3.0, "at least", True),
        (1.0, "at least", False),
        (3.0, "at most", False),
        (1.0, "at most", True),
        (3.0, "", None),
    ],
)
def test_a_target_is_met_from_its_own_side(value, direction, met):
    row = Row("x", value, "s", target=2.0 if direction else None, direction=direction)
    assert row.met is met


def test_measurements_alternate_and_the_first_round_is_thrown_away():
    order = []
    first, second = alternate(2, lambda: order.append("a") or len(order), lambda: order.append("b") or len(order))
    assert "".join(order) == "ababab"
    assert (first, second) == ([3, 5], [4, 6])


def test_a_ratio_is_the_median_of_the_ratios_of_neighbours():
    assert ratio_row("r", [2.0, 9.0, 8.0], [1.0, 3.0, 2.0]).value == 3.0


@pytest.mark.parametrize(("quick", "met"), [(False, False), (True, None)])
def test_a_session_judges_targets_unless_its_sizes_are_quick(quick, met):
    session = Session("flashsale bench", quick=quick, repeats=1)
    session.add("b", [make_row("x", [1.0], "ratio", at_least=2.0)])
    result = session.result({"numpy": "2"}, threads=1)
    assert [row["met"] for row in result["rows"]] == [met]
    assert result["ratios"] == {"x": 1.0}
    assert result["machine"]["threads"] == 1
    assert result["seconds"] >= 0


def test_a_session_without_repeats_is_refused():
    with pytest.raises(ValueError, match="repeats must be at least 1, got 0"):
        Session("flashsale bench", quick=True, repeats=0)
