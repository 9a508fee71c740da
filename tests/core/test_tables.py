"""Tables and dataclasses: the type check of fields, and the strict reader of tables."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashsale_env.tables import as_declared, check_fields, example, from_table, read_toml, toml_value, tomllib


@dataclass(frozen=True)
class Inner:
    rate: float = field(metadata=example(2.5))
    law: str = "poisson"

    def __post_init__(self):
        check_fields(self, "inner.")


@dataclass(frozen=True)
class Outer:
    name: str = field(metadata=example("a"))
    count: int
    inner: Inner
    several: tuple[Inner, ...] = ()
    numbers: tuple[int, ...] = (1,)
    limit: float | None = None
    on: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    taste: npt.NDArray[np.float32] | None = None

    def __post_init__(self):
        check_fields(self)


def outer(**changes):
    return Outer(**{"name": "a", "count": 1, "inner": Inner(1.0), **changes})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"count": 10.0}, 10),
        ({"count": np.int32(3)}, 3),
        ({"count": np.float64(3.0)}, 3),
        ({"count": Fraction(4)}, 4),
        ({"limit": np.float32(0.5)}, 0.5),
        ({"limit": 2}, 2.0),
        ({"limit": None}, None),
        ({"on": np.True_}, True),
        ({"name": np.str_("b")}, "b"),
        ({"numbers": [1, 2.0]}, (1, 2)),
        ({"numbers": np.arange(3)}, (0, 1, 2)),
        ({"several": [Inner(1)]}, (Inner(1.0),)),
    ],
)
def test_equivalent_values_become_the_same_python_value(given, kept):
    """So equal parts have equal reprs, the input of fingerprints."""
    ((name, _),) = given.items()
    part = outer(**given)
    assert getattr(part, name) == kept
    assert type(getattr(part, name)) is type(kept)
    assert repr(part) == repr(outer(**{name: kept}))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"count": 10.7}, "count must be a whole number, got 10.7; take 10 or 11"),
        ({"count": True}, "count must be a whole number, got True"),
        ({"count": "60"}, "count must be a whole number, got '60'"),
        ({"count": math.nan}, "count must be a whole number, got nan"),
        ({"count": math.inf}, "count must be a whole number, got inf"),
        ({"count": None}, "count must be a whole number, got None"),
        ({"count": np.array(3)}, "count must be a whole number"),
        ({"limit": "1"}, "limit must be a finite number or none, got '1'"),
        ({"limit": math.nan}, "limit must be a finite number or none, got nan"),
        ({"limit": 10**400}, "limit must be a finite number or none, got inf"),
        ({"limit": False}, "limit must be a finite number or none, got False"),
        ({"limit": 1j}, "limit must be a finite number or none"),
        ({"on": 1}, "on must be true or false, got 1"),
        ({"name": 3}, "name must be a text, got 3"),
        ({"name": b"a"}, "name must be a text"),
        ({"numbers": "12"}, "numbers must be a list of whole numbers, got '12'"),
        ({"numbers": {1, 2}}, "numbers must be a list of whole numbers"),
        ({"numbers": (1, 2.5)}, r"numbers\[1\] must be a whole number, got 2.5"),
        ({"numbers": np.ones((2, 2))}, "numbers must be a list of whole numbers"),
        ({"inner": {"rate": 1.0}}, "inner must be of type Inner"),
        ({"several": [{"rate": 1.0}]}, r"several\[0\] must be of type Inner"),
        ({"extra": [1]}, "extra must be a table"),
        ({"taste": [1.0]}, "taste must be a numpy array of float32, got list"),
        ({"taste": np.array(["a"])}, "taste must be a numpy array of float32, got one of <U1"),
    ],
)
def test_a_value_of_another_type_is_refused_by_the_name_of_its_field(given, message):
    with pytest.raises(ValueError, match=message):
        outer(**given)


def test_arrays_are_kept_as_declared():
    taste = outer(taste=np.array([0.1, 2.0])).taste
    assert taste.dtype == np.float32
    same = np.ones(3, np.float32)
    assert outer(taste=same).taste is same


def test_an_unsupported_type_hint_is_our_own_mistake():
    """A whitelist: no field goes unchecked, not even future ones."""
    for hint in (set[int], tuple[int, str], int | str, complex):
        with pytest.raises(TypeError, match="not supported"):
            as_declared(hint, (1, 2), "what")


def test_all_missing_keys_are_in_one_error_with_examples_that_are_toml():
    with pytest.raises(ValueError, match="missing keys 'name', 'count', 'inner'; for example ") as caught:
        from_table(Outer, {}, "mine.toml")
    lines = str(caught.value).partition("for example ")[2].rstrip(".")
    assert lines == 'name = "a", count = 1, inner = {rate = 2.5}'
    assert from_table(Outer, tomllib.loads(lines.replace(", ", "\n", 2)), "mine.toml") == outer(inner=Inner(2.5))
    with pytest.raises(ValueError, match=r"missing keys 'count', 'inner.rate', 'several\[1\].rate'; for"):
        from_table(Outer, {"name": "a", "inner": {}, "several": [{"rate": 1.0}, {}]}, "mine.toml")
    with pytest.raises(ValueError, match=r"mine.toml: missing key 'count'; for example count = 1\."):
        from_table(Outer, {"name": "a", "inner": {"rate": 1.0}}, "mine.toml")


def test_all_unknown_keys_at_any_depth_are_in_one_error():
    content = {"nam": "a", "count": 1, "inner": {"rat": 1.0}, "several": [{"rate": 1.0, "lax": ""}]}
    with pytest.raises(ValueError, match=r"unknown key 'nam'\. Did you mean 'name'") as caught:
        from_table(Outer, content, "mine.toml")
    assert "inner: unknown key 'rat'. Did you mean 'rate'" in str(caught.value)
    assert "several[0]: unknown key 'lax'. Did you mean 'law'" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], r"mine.toml: want a table, got \[\]"),
        ({"name": "a", "count": 1, "inner": 3}, "mine.toml: inner: want a table, got 3"),
        ({"name": "a", "count": 1, "inner": None}, "mine.toml: inner must be of type Inner, got None"),
        ({"name": "a", "count": 1, "inner": {"rate": "1"}}, "mine.toml: inner.rate must be a finite number, got '1'"),
        (
            {"name": "a", "count": 1, "inner": {"rate": 1.0}, "several": [{"rate": math.nan}]},
            r"mine.toml: several\[0\]: inner.rate must be a finite number, got nan",
        ),
    ],
)
def test_a_wrong_table_is_refused_by_file_and_key(content, message):
    with pytest.raises(ValueError, match=message):
        from_table(Outer, content, "mine.toml")


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcxyz", min_size=1), inner, max_size=3),
        max_leaves=8,
    )
)
def test_a_value_written_as_toml_reads_back(value):
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value


def test_a_file_is_read_with_or_without_a_byte_order_mark_and_named_if_it_is_invalid(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("x = 'ä'", encoding="utf-8-sig")
    assert read_toml(path, "file") == {"x": "ä"}
    path.write_bytes("x = 'ä'".encode("cp1252"))
    with pytest.raises(ValueError, match=r"mine.toml: not valid TOML, which is written in UTF-8: .* Save it as UTF-8"):
        read_toml(path, "file")
    path.write_text("x = ")
    with pytest.raises(ValueError, match=r"mine.toml: not valid TOML"):
        read_toml(path, "file")
    with pytest.raises(FileNotFoundError, match=r"no file at .*none.toml"):
        read_toml(tmp_path / "none.toml", "file")
