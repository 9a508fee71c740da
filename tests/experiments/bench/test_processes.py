"""Start-up is measured in processes of its own."""

import pytest

from flashsale_env.experiments.bench.measuring import QUICK
from flashsale_env.experiments.bench.processes import compiling, in_fresh_process


@pytest.mark.slow
def test_the_first_process_compiles_and_says_so_and_the_later_ones_do_not():
    first, later = compiling(QUICK, repeats=2)
    assert ", announced" in first.notes
    assert "0 of 2 compiled again" in later.notes
    assert later.value < first.value


def test_a_process_that_fails_is_an_error_with_its_last_line():
    with pytest.raises(RuntimeError, match="ValueError: no luck"):
        in_fresh_process("raise ValueError('no luck')")
