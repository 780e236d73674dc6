"""Steps as CUDA graphs: what the device does in a step is recorded once, and then replayed in one launch.

A graph holds the addresses that it was recorded with. So a step is in two parts: the host's (`Task.prepare`), which
decides all that depends on the number of the step, and the device's (`Task.advance`), which is the same sequence of
operations in every step of a phase. The numbers of the host's part are copied to where the graph reads them.
"""

import warnings
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from spsr.errors import RunFailed
from spsr.training.host_reads import HostReads
from spsr.training.task import StepPlan, Task

Losses = dict[str, Tensor]

EAGER_STEPS = 3
"""Steps of a phase in a row before one is recorded: libraries choose their kernels and constants are made in them."""


class Recorder(Protocol):
    """How work is run once, and how it is recorded to be run again."""

    def eagerly(self, work: Callable[[], Losses]) -> tuple[Losses, str | None]:
        """Run it; what it gives, and where it waited for the device, if it did."""

    def record(self, work: Callable[[], Losses]) -> Callable[[], Losses]:
        """Record it without running it; what runs it again, with the same tensors for results."""


class CudaRecorder:
    """Records CUDA graphs on a stream of its own."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)

    def eagerly(self, work: Callable[[], Losses]) -> tuple[Losses, str | None]:
        """Run it on the stream of the graphs; see `Recorder`."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with warnings.catch_warnings(record=True) as heard, torch.cuda.stream(self._stream):
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                losses = work()
            finally:
                torch.cuda.set_sync_debug_mode("default")
        torch.cuda.current_stream().wait_stream(self._stream)
        places = [f"{each.filename}:{each.lineno}" for each in heard if "synchronizing" in str(each.message)]
        return losses, places[0] if places else None

    def record(self, work: Callable[[], Losses]) -> Callable[[], Losses]:
        """A graph of it; `RunFailed` if it does what a graph cannot hold."""
        graph, recorded = torch.cuda.CUDAGraph(), {}
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                recorded = work()
        except RuntimeError as error:
            said = str(error).splitlines()[0]
            raise RunFailed(f"the step cannot be captured ({said}); set compute.capture to false") from error

        def again() -> Losses:
            graph.replay()
            return recorded

        return again


@dataclass(frozen=True)
class _Recorded:
    phase: Hashable
    numbers: dict[str, Tensor]
    again: Callable[[], Losses]


class CapturedSteps:
    """Takes the steps of a task, most of them by a graph.

    One graph is kept, that of the phase which last had `EAGER_STEPS` steps in a row; every other step runs as it
    would without graphs. A step that waits for the device is never recorded; that is said once, also where nothing
    is recorded at all.

    Args:
        task: must keep its tensors where they are: its state is loaded before the first step.
        recorder: none where the device has no graphs.
        say: told where a step waits for the device.
        watched: look at every operation of one eager step of each phase; not for compiled networks.
    """

    def __init__(
        self, task: Task, recorder: Recorder | None, say: Callable[[str], None], *, watched: bool = True
    ) -> None:
        self._task, self._recorder, self._say, self._watched = task, recorder, say, watched
        self._recorded: _Recorded | None = None
        self._phase: Hashable = None
        self._in_a_row = 0
        self._waits = False

    def take(self, step: int) -> Losses:
        """The 0-based optimisation step; the tensors are overwritten by the next one."""
        plan = self._task.prepare(step)
        self._in_a_row = self._in_a_row + 1 if plan.phase == self._phase else 1
        self._phase = plan.phase
        recorded = self._recorded
        if recorded is not None and recorded.phase == plan.phase:
            for name, place in recorded.numbers.items():
                place.copy_(plan.numbers[name], non_blocking=True)
            return recorded.again()
        if self._recorder is None or self._waits or self._in_a_row <= EAGER_STEPS:
            return self._eagerly(plan)
        numbers = {name: tensor.clone() for name, tensor in plan.numbers.items()}
        again = self._recorder.record(lambda: self._task.advance(replace(plan, numbers=numbers)))
        self._recorded = _Recorded(plan.phase, numbers, again)
        return again()

    def _eagerly(self, plan: StepPlan) -> Losses:
        def work() -> Losses:
            return self._task.advance(plan)

        if self._waits or self._in_a_row != EAGER_STEPS:
            return self._recorder.eagerly(work)[0] if self._recorder else work()
        with HostReads() if self._watched else nullcontext() as reads:
            losses, place = self._recorder.eagerly(work) if self._recorder else (work(), None)
        place = (reads.place if reads else None) or place
        if place is not None:
            self._waits = True
            self._say(
                f"compute.capture: {place} waits for the device, so that no step can be captured; keep its values on "
                "the device (no .item(), float(), `if` on a tensor or selection by a mask), or set compute.capture to "
                "false"
            )
        return losses


def recorder_for(device: torch.device, world: int) -> Recorder | str:
    """What records steps on a device, or why nothing does."""
    if device.type != "cuda":
        return f"there are no graphs on a {device.type.upper()}"
    return "several processes train together" if world > 1 else CudaRecorder(device)
