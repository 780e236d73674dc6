"""What went wrong when a number is not finite: the step, the module, the images, and how to see it again."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from spsr.training import checkpoints, events
from spsr.training.seeding import seed_step
from spsr.training.task import Task


def _finite(value: Tensor | float) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return not value.is_floating_point() or bool(torch.isfinite(value).all())


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Tensor | float]]:
    """The tensors and numbers in nested dictionaries, lists and tuples, each after its dotted name."""
    if isinstance(value, Tensor | float):
        yield place, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, item in items:
        yield from leaves(item, f"{place}.{key}" if place else str(key))


def tensors_in(value: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors among the `leaves` of a value."""
    return ((place, leaf) for place, leaf in leaves(value) if isinstance(leaf, Tensor))


def first_non_finite(state: Any) -> str | None:
    """Dotted name of the first tensor or number in nested `state` that is not finite."""
    return next((place for place, leaf in leaves(state) if not _finite(leaf)), None)


def module_names(task: object, depth: int = 4) -> dict[int, str]:
    """Dotted names of all modules that hang on a task, by `id`."""
    names: dict[int, str] = {}
    seen: set[int] = set()

    def visit(value: object, place: str, left: int) -> None:
        if id(value) in seen or left < 0:
            return
        seen.add(id(value))
        if isinstance(value, nn.Module):
            for name, module in value.named_modules():
                names.setdefault(id(module), f"{place}.{name}" if name else place)
        elif isinstance(value, dict):
            for key, item in value.items():
                visit(item, f"{place}.{key}" if place else str(key), left - 1)
        elif isinstance(value, list | tuple):
            for index, item in enumerate(value):
                visit(item, f"{place}.{index}", left - 1)
        elif hasattr(value, "__dict__") and not isinstance(value, type | Tensor):
            for key, item in vars(value).items():
                visit(item, f"{place}.{key.lstrip('_')}" if place else key.lstrip("_"), left - 1)

    visit(task, "", depth)
    return names


@contextmanager
def watching(task: object, found: list[str]) -> Iterator[None]:
    """Append a sentence to `found` for every module whose weights, output or gradient is not finite, as they run."""
    names = module_names(task)

    def name(module: nn.Module) -> str:
        return f"{names.get(id(module), '?')} ({type(module).__name__})"

    def backward(module: nn.Module, gradient: Tensor) -> None:
        if not _finite(gradient):
            found.append(f"the gradient at the output of {name(module)}")

    def forward(module: nn.Module, inputs: Any, output: Any) -> None:
        if not all(map(_finite, module.parameters(recurse=False))):
            found.append(f"the weights of {name(module)}")
        tensors = [tensor for _, tensor in tensors_in(output)]
        if not all(map(_finite, tensors)):
            found.append(f"the output of {name(module)}")
        for tensor in tensors:
            if tensor.requires_grad:
                tensor.register_hook(partial(backward, module))

    with hooks.register_module_forward_hook(forward):
        yield


def replay(task: Task, folder: Path, seed: int, step: int, most: float = math.inf) -> str:
    """Repeat a step from the newest checkpoint before it, and say what is first not finite.

    The modules are watched in the last two steps: a gradient spoils the weights one step before a loss shows it.

    Args:
        task: of any state; it is at `step + 1` afterwards.
        folder: the run's checkpoints; one from before the first step is among them until two others are.
        seed: of the run.
        step: 0-based number of the step.
        most: steps to repeat at most.
    """
    start, content = _before(folder, step)
    if content is None:
        return "unknown (there is no checkpoint before this step)"
    if step + 1 - start > most:
        return f"not looked for ({step + 1 - start} steps would have to be repeated)"
    task.load_state_dict(content["task"])
    found: list[str] = []
    for number in range(start, step + 1):
        seed_step(seed, number)
        if number < step - 1:
            task.step(number)
            continue
        with watching(task, found):
            losses = task.step(number)
        if found:
            return f"{found[0]}, in step {number}"
        for term, value in losses.items():
            if not _finite(value):
                return f"none, the loss {term} itself, in step {number}"
    if (bad := first_non_finite(task.state_dict())) is not None:
        return f"none, the state {bad}, after step {step}"
    return f"none: steps {start} to {step} are finite when they are repeated"


def _before(folder: Path, step: int) -> tuple[int, dict[str, Any] | None]:
    for number in checkpoints.steps(folder):
        if number <= step:
            try:
                return number, checkpoints.read_checkpoint(checkpoints.path_of(folder, number))
            except checkpoints.DamagedError:
                continue
    return 0, None


def diagnosis(task: Task, folder: Path, seed: int, failure: events.NonFiniteError, most: float) -> str:
    """The message of a run that stops at something not finite, with the module found by repeating the steps."""
    good = checkpoints.steps(folder)
    last = f"last good checkpoint: {checkpoints.path_of(folder, good[0])}" if good else "no checkpoint yet"
    images = ", ".join(dict.fromkeys(task.batch_names(failure.step)))
    return (
        f"{folder.parent}: step {failure.step}: {failure.term} is {failure.value}; "
        f"first bad module: {replay(task, folder, seed, failure.step, most)}; images: {images}; {last}; "
        f"to see this step again: the same command with --replay-step {failure.step}"
    )
