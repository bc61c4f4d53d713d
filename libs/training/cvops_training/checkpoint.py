"""Checkpoints: whole or not there, and enough to go on as if nothing had happened."""

import os
from pathlib import Path
from typing import Any

import torch


def save(path: Path, state: dict[str, Any]) -> None:
    """Writes a state so that a reader finds the one before or this one, never a part; OSError when it cannot."""
    scratch = path.with_suffix(".part")
    with scratch.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def load(path: Path) -> dict[str, Any] | None:
    """The newest state; None when there is none."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state
