"""Which number format to compute in: bfloat16 where the hardware does it well, else float32."""

from typing import Literal

import torch

from graft.errors import ModelError

Precision = Literal["auto", "fp32", "bf16"]


def compute_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The format of matrix products on a device; weights and sums stay float32 in training.

    Args:
        precision: "fp32", "bf16", or "auto": bf16 where the hardware has instructions for it.

    Raises:
        ModelError: `precision` is none of these.
    """
    if precision == "fp32":
        return torch.float32
    if precision == "bf16":
        return torch.bfloat16
    if precision != "auto":
        raise ModelError(f"precision is {precision!r}; it may be 'auto', 'fp32' or 'bf16'.")
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(False) else torch.float32
    fast = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return torch.bfloat16 if fast.get("avx512_bf16") or fast.get("amx_bf16") else torch.float32


def autocast(dtype: torch.dtype, device: torch.device) -> torch.autocast:
    """A context in which matrix products run in `dtype`; off where that is float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype != torch.float32)


def default_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
