"""Where torch computes: the device, the number of threads, and bfloat16 where the hardware supports it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def device_named(name: str) -> torch.device:
    """The device of this name; "auto" is CUDA if available, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else torch.device(name)


def cuda_devices(device: torch.device) -> list[torch.device]:
    """The CUDA devices whose random generators a run on this device uses: none, or the device itself."""
    return [device] if device.type == "cuda" else []


def cpu_capabilities() -> dict[str, bool]:
    """Instruction sets of the CPU by name, e.g. "amx_bf16"; empty where torch does not report them."""
    return dict(getattr(torch.cpu, "get_capabilities", dict)())


def has_bf16_units(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16 matrices: AMX on a CPU, or a GPU that supports it."""
    if device.type == "cpu":
        return cpu_capabilities().get("amx_bf16", False)
    return device.type == "cuda" and torch.cuda.is_bf16_supported()


def fast_matmul(device: torch.device, precision: str = "auto") -> torch.autocast:
    """Autocast to bfloat16: for "bf16", and for "auto" where the hardware supports it."""
    fast = precision == "bf16" or (precision == "auto" and has_bf16_units(device))
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=fast)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run the block on one torch thread.

    The number of threads sets the order of floating-point sums, and with it the last bits of the result. Files that
    must be identical on every machine are therefore computed on one thread.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
