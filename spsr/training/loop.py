"""The training loop: goes on from the newest checkpoint, logs, saves, stops on request, and never fails silently."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from spsr.config import TrainingSettings
from spsr.errors import InputError, RunFailed, Stopped
from spsr.files import write_text
from spsr.models import to_checkpoint
from spsr.progress import Progress, silent
from spsr.training import checkpoints, distributed, events, record
from spsr.training.debug.autopsy import diagnosis, first_non_finite
from spsr.training.ledger import Ledger, peak_tflops
from spsr.training.seeding import seed_step
from spsr.training.stopping import StopRequest
from spsr.training.task import Task, device_of
from spsr.training.validation import Validation

AUTOPSY_SECONDS = 600


class _Run:
    """One execution of a run: the position, the window of losses and the events so far."""

    def __init__(
        self,
        task: Task,
        settings: TrainingSettings,
        run: dict[str, Any],
        out: Path,
        validation: Validation | None,
    ) -> None:
        if settings.schedule is None:
            raise InputError("there is nothing to train: the method or extractor has no schedule")
        self.task, self.settings, self.schedule, self.out = task, settings, settings.schedule, out
        self.identity = json.dumps(run, sort_keys=True)
        self.folder = out / record.CHECKPOINTS
        self.validation = validation
        self.window = events.Window()
        self.lines: list[str] = []
        self.step = self.first = 0
        self.began = perf_counter()
        self.compute = settings.compute
        device = device_of(task)
        replicas = settings.recipe.replicas if settings.recipe else 1
        self.writes = distributed.rank() == 0
        self.ledger = Ledger(
            out / record.LEDGER if self.writes else None,
            self.schedule.batch * replicas,
            task.flops_per_step,
            device,
            peak_tflops(device, self.compute.precision, self.compute.tf32),
        )

    def restore(self, warn: Callable[[str], None]) -> bool:
        """Go on from the newest checkpoint of this configuration; true if it is that of a finished run."""
        content = checkpoints.newest(self.folder, warn)
        if content is None:
            return False
        if changed := record.changes(json.loads(content["identity"]), json.loads(self.identity)):
            raise InputError(
                f"{self.folder}: checkpoints of another configuration ({'; '.join(changed[:5])}); "
                "add --restart to move the run aside and begin anew"
            )
        self.step = content["step"]
        self.lines = content["events"].splitlines(keepends=True)
        if "model" in content:
            self.task.model.load_state_dict(content["model"])
            return True
        self.task.load_state_dict(content["task"])
        self.window.load_state_dict(content["window"])
        return False

    def _content(self) -> dict[str, Any]:
        return {"identity": self.identity, "step": self.step, "events": "".join(self.lines)}

    def save(self) -> Path | None:
        """Write a checkpoint, after a look at losses and weights: one that is not finite is never saved."""
        self.window.read()
        state = self.task.state_dict()
        if (bad := first_non_finite(state)) is not None:
            raise events.NonFiniteError(self.step - 1, bad, float("nan"))
        if not self.writes:
            return None
        content = self._content() | {"task": state, "window": self.window.state_dict()}
        return checkpoints.save(self.folder, self.step, content)

    def finish(self, progress: Progress) -> None:
        """Write the weights and events of the finished run."""
        model = self.task.model.state_dict()
        if (bad := first_non_finite(model)) is not None:
            raise events.NonFiniteError(self.step - 1, bad, float("nan"))
        if self.writes:
            checkpoints.save_final(self.folder, self._content() | {"model": model})
            self.publish()
        progress(self.step, self.step, f"finished: {self.out / record.MODEL}")

    def publish(self) -> None:
        """Write `events.jsonl` and `model.safetensors`, the latter last: it marks a finished run."""
        write_text(self.out / record.EVENTS, "".join(self.lines))
        to_checkpoint(self.task.model, self.out / record.MODEL)

    def log(self, progress: Progress) -> None:
        """Read the window and append one event."""
        losses = self.window.read()
        line = events.line(self.step, self.schedule.learning_rate_at(self.step - 1), losses)
        self.window.clear(self.step)
        self.lines.append(line)
        if self.writes:
            with (self.out / record.EVENTS).open("a", encoding="utf-8") as stream:
                stream.write(line)
        rates = self.ledger.read(self.step)
        shown = " ".join(f"{name} {value:.4g}" for name, value in losses.items())
        progress(self.step, self.schedule.iterations, f"{shown} | {rates}")

    def validate(self, validation: Validation, progress: Progress) -> None:
        """Look at the model; on the process that writes only."""
        began = perf_counter()
        measured = validation.measure(self.task.model)
        self.ledger.validated(self.step, perf_counter() - began, measured)
        shown = " ".join(f"{name} {value:.4g}" for name, value in measured.items())
        progress(self.step, self.schedule.iterations, f"validation: {shown}")

    def steps_in(self, seconds: float) -> float:
        """Steps that this execution takes in so many seconds."""
        return seconds * (self.step - self.first + 1) / (perf_counter() - self.began)

    def train(self, stop: StopRequest, progress: Progress) -> None:
        """Take the remaining steps."""
        self.first, self.began = self.step, perf_counter()
        iterations = self.schedule.iterations
        while self.step < iterations:
            seed_step(self.settings.seed, self.step)
            self.window.add(self.task.step(self.step))
            self.step += 1
            if self.step % self.schedule.log_every == 0 or self.step == iterations:
                self.log(progress)
            if self.writes and self.validation and self.validation.is_due(self.step, iterations):
                self.validate(self.validation, progress)
            reason = stop.reason() if self.step < iterations else None
            if self.step % self.schedule.checkpoint_every == 0 or reason is not None:
                saved = self.save()
                if reason is not None:
                    raise Stopped(
                        f"{self.out}: stopped by {reason} after step {self.step} of {iterations}; "
                        f"saved {saved or 'by process 0'}; the same command goes on"
                    )
        self.finish(progress)


def run(
    task: Task,
    settings: TrainingSettings,
    inputs: dict[str, str],
    out: Path,
    *,
    validation: Validation | None = None,
    max_minutes: float | None = None,
    restart: record.Restart = False,
    progress: Progress = silent,
) -> None:
    """Train `task` until its schedule ends, from wherever an earlier execution in `out` was interrupted.

    The final `model.safetensors`, `run.yaml` and `events.jsonl` do not depend on where and how often that was. An
    unfinished run keeps its newest two checkpoints; a finished one a single file that restores its outputs.

    Args:
        task: freshly built; its initial weights are a function of the seed.
        settings: what the weights depend on.
        inputs: SHA-256 of every file that they depend on, by name.
        out: the run's folder.
        validation: measured on the model from time to time; the outputs do not depend on it.
        max_minutes: save and stop after this time.
        restart: what to do with an earlier run; see `record.Restart`.
        progress: called at every logging interval.

    Raises:
        Stopped: a signal or the time limit; everything is saved.
        InputError: `out` holds a run of another configuration, or cannot be written.
        RunFailed: a loss or weight that is not finite, no memory, no disk space.
    """
    identity = record.identity(settings, inputs)
    writes = distributed.rank() == 0

    def say(text: str) -> None:
        if writes:
            print(text, flush=True)

    if writes and record.must_move_aside(out, identity, restart):
        with record.locked(out):
            aside = record.move_aside(out)
        say(f"{out}: the earlier run is now {aside}")
    distributed.barrier()
    with record.locked(out) if writes else nullcontext(), StopRequest(max_minutes) as stop:
        distributed.barrier()
        execution = _Run(task, settings, identity, out, validation)
        if (out / record.MODEL).is_file() and (out / record.EVENTS).is_file() and (out / record.RECORD).is_file():
            say(f"{out}: finished before; nothing to do")
            return
        finished = execution.restore(say if writes else lambda text: None)
        if writes and not (out / record.RECORD).is_file():
            record.write(out, identity)
        if finished:
            if writes:
                execution.publish()
            say(f"{out}: finished before; its outputs are written again")
            return
        if writes:
            write_text(out / record.EVENTS, "".join(execution.lines))
        if execution.step:
            say(f"{out}: going on after step {execution.step}")
        else:
            execution.save()
        execution.ledger.begin(execution.step, record.versions() if writes else {})
        try:
            execution.train(stop, progress)
        except events.NonFiniteError as failure:
            most = execution.steps_in(AUTOPSY_SECONDS)
            raise RunFailed(diagnosis(task, execution.folder, settings.seed, failure, most)) from failure
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            raise RunFailed(_memory_advice(execution, error)) from error


def _out_of_memory(error: Exception) -> bool:
    text = str(error)
    return (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
    )


def _memory_advice(execution: _Run, error: Exception) -> str:
    schedule, compute = execution.schedule, execution.compute
    knobs = [f"a smaller batch (now {schedule.batch}) or patch (now {schedule.patch}) in the preset's schedule"]
    if compute.precision == "fp32":
        knobs.insert(0, "compute.precision: bf16")
    reason = str(error).splitlines()[0][:200] if str(error) else "the host's memory is used up"
    return (
        f"{execution.out}: step {execution.step}: out of memory ({reason}); "
        f"set {', or '.join(knobs)}, then add --restart (these change the configuration)"
    )
