"""The training loop: goes on from the newest checkpoint, logs, saves, stops on request, and never fails silently."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from spsr.config.run_folder import RunFolder
from spsr.errors import InputError, RunFailed, Stopped
from spsr.models.device import wait_for
from spsr.plugins import OwnCodeFailed
from spsr.progress import Progress
from spsr.training import distributed, events, record
from spsr.training.capture import CapturedSteps, recorder_for
from spsr.training.debug.autopsy import diagnosis
from spsr.training.debug.exhaustion import is_exhaustion, memory_advice
from spsr.training.execution import Execution
from spsr.training.ledger import Ledger, measured_tflops, peak_tflops
from spsr.training.run_state import RunState
from spsr.training.seeding import seed_step
from spsr.training.stopping import StopRequest
from spsr.training.task import Task, Training, device_of
from spsr.training.validation_set import ValidationSet

AUTOPSY_SECONDS = 600


def carry_out(training: Training, execution: Execution) -> Path:
    """Train until the schedule ends, from wherever an earlier execution was interrupted.

    The final `model.safetensors`, `run.yaml` and `events.jsonl` do not depend on where and how often that was. An
    unfinished run keeps its newest two checkpoints; a finished one a single file that restores its outputs. Where the
    run is finished already nothing is built.

    Returns:
        The file with the weights.

    Raises:
        Stopped: a signal or the time limit; everything is saved.
        InputError: the folder holds a run of another configuration, or cannot be written.
        RunFailed: a loss or weight that is not finite, no memory, no disk space.
    """
    folder, identity = RunFolder(execution.out), record.run_identity(training.settings, training.inputs)
    if not record.is_finished(folder, identity, execution.restart):
        _train(training, training.fresh_task(), identity, folder, execution)
    return folder.model


def _train(training: Training, task: Task, identity: dict[str, Any], folder: RunFolder, execution: Execution) -> None:
    writes = distributed.rank() == 0

    def say(text: str) -> None:
        if writes:
            print(text, flush=True)

    if writes and record.must_move_aside(folder, identity, execution.restart):
        with record.locked(folder):
            aside = record.move_aside(folder)
        say(f"{folder.path}: the earlier run is now {aside}")
    distributed.barrier()
    with record.locked(folder) if writes else nullcontext(), StopRequest(execution.max_minutes) as stop:
        distributed.barrier()
        if record.is_complete(folder):
            say(f"{folder.path}: finished before; nothing to do")
            return
        if record.is_damaged(folder):
            say(f"{folder.model}: is damaged and is made again")
        state = RunState(task, identity, folder, writes)
        loop = _Loop(training, state, execution.progress, say)
        finished = state.restore(say)
        if writes and not folder.record.is_file():
            record.write_record(folder, identity)
        if finished:
            if writes:
                state.publish()
            say(f"{folder.path}: finished before; its outputs are written again")
            return
        if writes:
            state.write_events()
        if state.step:
            say(f"{folder.path}: going on after step {state.step}")
        else:
            state.save()
        loop.go_on(stop)


class _Loop:
    """The steps of one execution, from where the run stands."""

    def __init__(self, training: Training, state: RunState, progress: Progress, say: Callable[[str], None]) -> None:
        settings = training.settings
        if settings.schedule is None:
            raise InputError("there is nothing to train: the method or extractor has no schedule")
        self.state, self.task, self.folder, self.progress = state, state.task, state.folder, progress
        self.schedule, self.seed, self.validation = settings.schedule, settings.seed, training.validation
        self.compute = settings.compute
        self.device = device = device_of(self.task)
        replicas = settings.recipe.replicas if settings.recipe else 1
        if self.compute.capture:
            recorder = recorder_for(device, distributed.world())
            graphs = None if isinstance(recorder, str) else recorder
            if graphs is None:
                say(f"compute.capture: no step is captured, for {recorder}; the weights are the same")
            watched = distributed.world() == 1 and not self.compute.compile
            state.take = CapturedSteps(self.task, graphs, say, watched=watched).take
        self.ledger = Ledger(
            self.folder.ledger if state.writes else None,
            self.schedule.batch * replicas,
            device,
            peak_tflops(device, self.compute.precision, self.compute.tf32),
            measured_tflops(device, self.compute.precision, self.compute.tf32) if device.type == "cuda" else None,
        )

    def go_on(self, stop: StopRequest) -> None:
        """Take the remaining steps; of what goes wrong, say why and what to do."""
        first, began = self.state.step, perf_counter()
        self.ledger.begin(first, record.versions() if self.state.writes else {})
        try:
            self._take_steps(stop)
        except events.NonFiniteError as failure:
            most = AUTOPSY_SECONDS * (self.state.step - first + 1) / (perf_counter() - began)
            said = diagnosis(self.task, self.folder.checkpoints, self.seed, failure, most)
            raise RunFailed(said) from failure
        except OwnCodeFailed as error:
            raise RunFailed(f"{self.folder.path}: step {self.state.step}: {error}") from error
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_exhaustion(error):
                raise
            advice = memory_advice(error, self.schedule, self.compute)
            raise RunFailed(f"{self.folder.path}: step {self.state.step}: {advice}") from error

    def _take_steps(self, stop: StopRequest) -> None:
        state, iterations = self.state, self.schedule.iterations
        while state.step < iterations:
            seed_step(self.seed, state.step)
            state.take_step()
            self.ledger.took_step(self.task.flops_per_step)
            if state.step % self.schedule.log_every == 0 or state.step == iterations:
                self._log()
            if state.writes and self.validation and self.validation.is_due(state.step, iterations):
                self._validate(self.validation)
            reason = stop.reason() if state.step < iterations else None
            if state.step % self.schedule.checkpoint_every == 0 or reason is not None:
                saved = self._save()
                if reason is not None:
                    raise Stopped(
                        f"{self.folder.path}: stopped by {reason} after step {state.step} of {iterations}; "
                        f"saved {saved or 'by process 0'}; the same command goes on"
                    )
        state.finish()
        self.progress(iterations, iterations, f"finished: {self.folder.model}")

    def _log(self) -> None:
        losses = self.state.log(self.schedule.learning_rate_at(self.state.step - 1))
        self._show(f"{_line(losses)} | {self.ledger.read(self.state.step)}")

    def _save(self) -> Path | None:
        wait_for(self.device)
        began = perf_counter()
        saved = self.state.save()
        self.ledger.saved(self.state.step, perf_counter() - began)
        return saved

    def _validate(self, validation: ValidationSet) -> None:
        wait_for(self.device)
        began = perf_counter()
        measured = validation.measure(self.task.model)
        self.ledger.validated(self.state.step, perf_counter() - began, measured)
        self._show(f"validation: {_line(measured)}")

    def _show(self, text: str) -> None:
        self.progress(self.state.step, self.schedule.iterations, text)


def _line(values: dict[str, float]) -> str:
    return " ".join(f"{name} {value:.4g}" for name, value in values.items())
