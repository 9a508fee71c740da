"""Where a learner's networks live: the names of devices, and whether this machine has them.

Torch is loaded only to look for a CUDA device.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def check_device(name: str, called: str = "device") -> None:
    """Refuse an unknown device, or one that this machine lacks.

    Args:
        name: "auto" (CUDA where available), "cpu", "cuda" or "cuda:N".
        called: the caller's name for the option, for the message.

    Raises:
        ValueError: there is no such device, or torch does not find it.
    """
    if name in ("auto", "cpu"):
        return
    kind, colon, number = name.partition(":") if isinstance(name, str) else ("", "", "")
    if kind != "cuda" or bool(colon) != (number.isascii() and number.isdecimal()):
        raise ValueError(f"{called} must be auto, cpu or cuda, got {name!r}; cuda:N is one of several.")
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(number or 0) >= count:
        found = f"cuda:0 to cuda:{count - 1}" if count > 1 else "cuda:0 only" if count else "no CUDA device"
        raise ValueError(f"{called} {name}: torch finds {found} here; use auto or cpu.")


def torch_device(name: str) -> "torch.device":
    """The device of a name that `check_device` accepts."""
    check_device(name)
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
