"""What to change when a step finds no memory."""

import torch

from spsr.config import Compute, Schedule


def is_exhaustion(error: Exception) -> bool:
    """Whether an error says that there is no memory, on the device or the host."""
    text = str(error)
    return (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
    )


def memory_advice(error: Exception, schedule: Schedule, compute: Compute) -> str:
    """What happened, and the settings that take less memory."""
    knobs = [f"a smaller batch (now {schedule.batch}) or patch (now {schedule.patch}) in the preset's schedule"]
    if compute.precision == "fp32":
        knobs.insert(0, "compute.precision: bf16")
    reason = str(error).splitlines()[0][:200] if str(error) else "the host's memory is used up"
    return f"out of memory ({reason}); set {', or '.join(knobs)}, then add --restart (these change the configuration)"
