"""What `spsr train` and `spsr pretrain` do with a training."""

import math
from dataclasses import replace
from pathlib import Path

from spsr.cli.live import logged_live
from spsr.cli.progress_bar import progress_bar
from spsr.config import Config
from spsr.config.run_folder import RunFolder
from spsr.errors import InputError, RunFailed
from spsr.training import checkpoints
from spsr.training.debug import determinism
from spsr.training.debug.autopsy import replay
from spsr.training.execution import Execution
from spsr.training.loop import carry_out
from spsr.training.task import Training


def execution_of(out: Path, max_minutes: float | None, restart: bool, restart_changed: bool) -> Execution:
    """The options of a command as one value."""
    if max_minutes is not None and not math.isfinite(max_minutes):
        raise InputError(f"--max-minutes: {max_minutes} is no time; give a finite number, or leave it out")
    return Execution(out, max_minutes, restart or ("changed" if restart_changed else False))


def execute(
    config: Config,
    name: str,
    seed: int,
    training: Training,
    execution: Execution,
    *,
    verify_determinism: int | None,
    replay_step: int | None,
) -> None:
    """Carry a training out, or look at some of its steps only."""
    if verify_determinism is not None:
        _verify(name, training, verify_determinism)
    elif replay_step is not None:
        _replay(name, training, RunFolder(execution.out), replay_step)
    else:
        own = config.trial is None and execution.out == config.layout.run(name, seed).path
        with progress_bar(name) as report:
            report = logged_live(config, name, seed, report) if own else report
            file = carry_out(training, replace(execution, progress=report))
        print(file)


def _verify(name: str, training: Training, steps: int) -> None:
    difference = determinism.verify_determinism(training.fresh_task, training.settings.seed, steps)
    if difference is not None:
        raise RunFailed(f"{name}: two executions of {steps} steps differ first at {difference}")
    print(f"{name}: {steps} steps taken twice are equal to the bit")


def _replay(name: str, training: Training, run: RunFolder, step: int) -> None:
    schedule = training.settings.schedule
    if schedule is not None and step >= schedule.iterations:
        raise InputError(f"--replay-step: step {step} is beyond the run; its last step is {schedule.iterations - 1}")
    if not any(number <= step for number in checkpoints.steps(run.checkpoints)):
        raise InputError(
            f"--replay-step: there is no checkpoint before step {step} in {run.checkpoints}; name a later step"
        )
    task = training.fresh_task()
    print(f"{name}: step {step}: images: {', '.join(dict.fromkeys(task.batch_names(step)))}")
    print(f"{name}: step {step}: first bad module: {replay(task, run.checkpoints, training.settings.seed, step)}")
