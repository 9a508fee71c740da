"""Torch on one thread, wherever it is asked for, and its number given back."""

import threading

import pytest
import torch

from flashsale_env.agents.sb3.determinism import one_thread


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def in_threads(*works):
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)


def test_it_may_be_nested():
    with one_thread():
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_an_error_inside_gives_the_number_back():
    with pytest.raises(ZeroDivisionError), one_thread():
        1 / 0  # noqa: B018
    assert torch.get_num_threads() == 3


def test_two_threads_that_overlap_both_have_their_number_back():
    """The second begins while the first is inside, and ends after it: it must not hand back the first one's 1."""
    first_is_in, second_is_in, first_is_out = threading.Event(), threading.Event(), threading.Event()
    seen = {}

    def first():
        with one_thread():
            first_is_in.set()
            second_is_in.wait(10)
            seen["first, inside"] = torch.get_num_threads()
        seen["first, after"] = torch.get_num_threads()
        first_is_out.set()

    def second():
        first_is_in.wait(10)
        with one_thread():
            second_is_in.set()
            first_is_out.wait(10)
            seen["second, inside"] = torch.get_num_threads()
        seen["second, after"] = torch.get_num_threads()

    def third():
        seen["a new thread"] = torch.get_num_threads()

    in_threads(first, second)
    in_threads(third)
    seen["this thread"] = torch.get_num_threads()
    assert seen == {
        "first, inside": 1, "second, inside": 1,
        "first, after": 3, "second, after": 3, "a new thread": 3, "this thread": 3,
    }  # fmt: skip
