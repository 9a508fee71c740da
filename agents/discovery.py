"""Agents from other packages and files: how a name leads to a class, and how the class is called.

Owns    names of the form `module:Class`, the entry points of the group `flashsale_env.agents`, and the call of a
        class, function or object from outside.
Leaves  what a policy must offer to `protocol`, zips of Stable-Baselines3 to `sb3.zips`.

A class (or function) is called with the `Scenario`, with `seed=` if it takes one, and with the settings of the
benchmark row. A subclass of `base.Agent` works, and its `space` makes it tunable.
"""

import importlib
import importlib.metadata
import inspect
import sys
from pathlib import Path
from typing import Any

from flashsale_env import Scenario
from flashsale_env.errors import unknown_name

ENTRY_POINTS = "flashsale_env.agents"


def is_reference(name: str) -> bool:
    """Whether a name has the form `module:Class`."""
    module, colon, attribute = name.partition(":")
    parts = [*module.split("."), *attribute.split(".")]
    return bool(colon) and all(part.isidentifier() for part in parts)


def entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    """Entry points of installed packages in the group `ENTRY_POINTS`, by name; nothing is imported."""
    return {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}


def import_reference(reference: str) -> Any:
    """The class, function or object at `module:Class`, from the working folder or an installed package.

    Raises:
        ValueError: there is no such module, or no such name in it.
    """
    module, _, attribute = reference.partition(":")
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise  # the module exists, and one of its own imports is missing
        raise ValueError(
            f"no module {module!r} for the agent {reference!r}: it is neither in {here} nor installed."
        ) from None
    finally:
        if added:
            sys.path.remove(here)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ValueError(f"agent {reference!r}: {unknown_name(f'name in {module}', part, _public(found))}")
        found = getattr(found, part)
    return found


def build(factory: Any, scenario: Scenario, *, seed: int, settings: dict[str, Any], called: str) -> Any:
    """The policy that a class or function returns for the scenario, `seed` if it takes one, and the settings.

    An object that already has `predict` is returned as it is.

    Args:
        factory: the class, function or object.
        scenario: what the policy will play.
        seed: of the policy's own randomness.
        settings: keyword arguments of the call.
        called: name of the agent, for the messages.

    Raises:
        ValueError: it does not take these arguments.
    """
    if not isinstance(factory, type) and hasattr(factory, "predict"):
        if settings:
            raise ValueError(f"agent {called!r} is an object and takes no settings, got {', '.join(settings)}.")
        return factory
    if not callable(factory):
        raise ValueError(f"agent {called!r} must be a class, a function or an object with predict, got {factory!r}.")
    signature = inspect.signature(factory)
    any_keyword = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values())
    options = dict(settings)
    if "seed" in signature.parameters or any_keyword:
        options = {"seed": seed, **options}
    try:
        signature.bind(scenario, **options)
    except TypeError as error:
        raise ValueError(
            f"agent {called!r} is called as {getattr(factory, '__name__', called)}(scenario"
            f"{''.join(f', {name}=...' for name in options)}), which it does not take: {error}."
        ) from None
    return factory(scenario, **options)


def source_file(factory: Any) -> Path | None:
    """The source file of a class, function or object; None where there is none."""
    try:
        found = inspect.getsourcefile(factory if callable(factory) else type(factory))
    except TypeError:
        return None
    return None if found is None else Path(found)


def _public(found: Any) -> list[str]:
    return [name for name in vars(found) if not name.startswith("_")] if hasattr(found, "__dict__") else []
