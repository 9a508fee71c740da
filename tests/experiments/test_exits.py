"""Ctrl-C inside a command: one line about what is left."""

import pytest

from flashsale_env.experiments.exits import Interrupted, on_interrupt


def test_ctrl_c_becomes_the_line_of_the_command_with_its_options_filled_in():
    @on_interrupt("{out} keeps what is finished.")
    def command(*, out, seed):
        raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"^stopped by Ctrl-C\. runs/x keeps what is finished\.$"):
        command(out="runs/x", seed=1)


def test_a_command_that_ends_returns_its_exit_code():
    @on_interrupt("Nothing was written.")
    def command(*, sales):
        """Its help."""
        return sales

    assert command(sales=3) == 3
    assert command.__doc__ == "Its help."
