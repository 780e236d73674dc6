"""Where a run stands, and the files that this is kept in."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from spsr.config.run_folder import RunFolder
from spsr.errors import InputError
from spsr.files import write_text
from spsr.training import checkpoints, events, record
from spsr.training.debug.autopsy import first_non_finite
from spsr.training.task import Task


class RunState:
    """The task, its step, the losses since the last event, and the events so far.

    Attributes:
        take: takes a step of the task.

    Args:
        identity: see `spsr.training.record.run_identity`.
        writes: whether this process writes files; of several one does.
    """

    def __init__(self, task: Task, identity: dict[str, Any], folder: RunFolder, writes: bool) -> None:
        self.task, self.folder, self.writes = task, folder, writes
        self.take: Callable[[int], dict[str, Tensor]] = lambda step: task.step(step)
        self.step = 0
        self._identity = identity
        self._window = events.LossWindow()
        self._lines: list[str] = []

    def restore(self, warn: Callable[[str], None]) -> bool:
        """Go on from the newest checkpoint of this configuration; true if it is that of a finished run."""
        content = checkpoints.newest(self.folder.checkpoints, warn)
        if content is None:
            return False
        if changed := record.changes(json.loads(content["identity"]), self._identity):
            raise InputError(
                f"{self.folder.checkpoints}: checkpoints of another configuration ({'; '.join(changed[:5])}); "
                "add --restart to move the run aside and begin anew"
            )
        self.step = content["step"]
        self._lines = content["events"].splitlines(keepends=True)
        if "model" in content:
            self.task.model.load_state_dict(content["model"])
            return True
        self.task.load_state_dict(content["task"])
        self._window.load_state_dict(content["window"])
        return False

    def take_step(self) -> None:
        """The next step of the task."""
        self._window.add(self.take(self.step))
        self.step += 1

    def log(self, learning_rate: float) -> dict[str, float]:
        """Append one event, and give its losses: the means since the event before."""
        losses = self._window.read()
        line = events.line(self.step, learning_rate, losses)
        self._window.clear(self.step)
        self._lines.append(line)
        if self.writes:
            with self.folder.events.open("a", encoding="utf-8") as stream:
                stream.write(line)
        return losses

    def save(self) -> Path | None:
        """Write a checkpoint, after a look at losses and weights: one that is not finite is never saved."""
        self._window.read()
        state = self._finite(self.task.state_dict())
        if not self.writes:
            return None
        content = self._content() | {"task": state, "window": self._window.state_dict()}
        return checkpoints.save_checkpoint(self.folder.checkpoints, self.step, content)

    def finish(self) -> None:
        """Write the weights and events of the finished run."""
        model = self._finite(self.task.model.state_dict())
        if self.writes:
            checkpoints.save_final(self.folder.checkpoints, self._content() | {"model": model})
            self.publish()

    def publish(self) -> None:
        """Write events and weights, the latter last: they mark a finished run."""
        self.write_events()
        record.write_model(self.folder, self.task.model)

    def write_events(self) -> None:
        """Write the events so far, in place of what an execution that was killed has left."""
        write_text(self.folder.events, "".join(self._lines))

    def _content(self) -> dict[str, Any]:
        identity = json.dumps(self._identity, sort_keys=True)
        return {"identity": identity, "step": self.step, "events": "".join(self._lines)}

    def _finite(self, state: dict[str, Any]) -> dict[str, Tensor]:
        if (bad := first_non_finite(state)) is not None:
            raise events.NonFiniteError(self.step - 1, bad, float("nan"))
        return state
