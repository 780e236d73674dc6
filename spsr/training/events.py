"""The curves of a run: per-step losses stay on the device and are read at the logging interval."""

import json
from dataclasses import dataclass, field
from math import fsum
from typing import Any

import torch
from torch import Tensor

from spsr.training import distributed


class NonFiniteError(Exception):
    """A loss is not finite.

    Attributes:
        step: 0-based step at which it was first not finite.
        term: its name.
    """

    def __init__(self, step: int, term: str, value: float) -> None:
        super().__init__(f"step {step}: {term} is {value}")
        self.step, self.term, self.value = step, term, value


@dataclass
class LossWindow:
    """Losses of the steps since the last event, by term name.

    Nothing is transferred to the host before `read`. Terms may come and go between steps.

    Attributes:
        start: first 0-based step of the window.
        rows: (names, values) of each step, values in one device tensor.
    """

    start: int = 0
    rows: list[tuple[tuple[str, ...], Tensor]] = field(default_factory=list)

    def add(self, losses: dict[str, Tensor]) -> None:
        """Keep the losses of the next step."""
        values = [value.detach().float().reshape(()) for value in losses.values()]
        self.rows.append((tuple(losses), torch.stack(values) if values else torch.zeros(0)))

    def read(self) -> dict[str, float]:
        """Means over the window (and over processes) by term, in float64; waits for the device once.

        Raises:
            NonFiniteError: naming the first step and term that is infinite or not a number.
        """
        if not self.rows:
            return {}
        device = self.rows[-1][1].device
        values = torch.cat([values.to(device) for _, values in self.rows])
        flat = distributed.mean_of(values).double().tolist()
        sums: dict[str, list[float]] = {}
        position = 0
        for offset, (names, _) in enumerate(self.rows):
            for name in names:
                value = flat[position]
                position += 1
                if value - value != 0:
                    raise NonFiniteError(self.start + offset, name, value)
                sums.setdefault(name, []).append(value)
        return {name: fsum(column) / len(column) for name, column in sums.items()}

    def clear(self, start: int) -> None:
        """Begin the window of the steps from `start`."""
        self.start = start
        self.rows.clear()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint within the window keeps."""
        return {"start": self.start, "rows": [[list(names), values.cpu()] for names, values in self.rows]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the window of a checkpoint."""
        self.start = state["start"]
        self.rows = [(tuple(names), values) for names, values in state["rows"]]


def line(step: int, learning_rate: float, losses: dict[str, float]) -> str:
    """One line of `events.jsonl`: nothing that differs between two runs of one seed (times are in the ledger)."""
    return json.dumps({"step": step, "lr": learning_rate, "losses": losses}) + "\n"
