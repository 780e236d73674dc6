"""A run that is killed again and again ends with the bytes of one that never was."""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from itertools import count, cycle, islice, product
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest
from small_runs import command, small_schedules
from synthetic import toy_config

from spsr.config import Config

OUTPUTS = ("model.safetensors", "events.jsonl")
STOPPED = 75


def small_config(folder: Path) -> Config:
    return toy_config(
        folder,
        schedules=small_schedules(iterations=16, milestones=[8], log_every=2, checkpoint_every=3),
        networks={"discriminator": {"channels": 2}},
    )


@pytest.fixture(scope="module")
def server() -> ForkServerContext:
    """Processes that start in milliseconds: they are forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["small_runs", "torch._dynamo"])
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(Path(__file__).parent))
        first = context.Process(target=int)
        first.start()
        first.join()
    return context


def start(server: ForkServerContext, config: Config, name: str, out: Path, slow: float = 0.0) -> ForkServerProcess:
    process = server.Process(target=command, args=(config, name, out, slow))
    process.start()
    return process


def finish(server: ForkServerContext, config: Config, name: str, out: Path) -> None:
    """Run to the end."""
    process = start(server, config, name, out)
    process.join()
    assert process.exitcode == 0


def lines(out: Path) -> int:
    ledger = out / "ledger.jsonl"
    return ledger.read_text().count("\n") if ledger.exists() else 0


def wait_for_lines(process: ForkServerProcess, out: Path, count: int) -> None:
    """Until the ledger has `count` lines (or the process ends): one when training begins, one at each event."""
    while process.is_alive() and lines(out) < count:
        time.sleep(0.002)


def writing(out: Path) -> bool:
    return any(out.glob("checkpoints/.*.part.pt"))


def wait_for_writing(process: ForkServerProcess, out: Path) -> None:
    """Until a checkpoint is being written (or the process ends)."""
    while process.is_alive() and not writing(out):
        time.sleep(0.001)


def kill_at_random(server: ForkServerContext, config: Config, name: str, out: Path, kills: int) -> Counter[str]:
    """Start a run until it has been killed `kills` times, then let it end; what struck it."""
    chance = random.Random(name)
    struck: Counter[str] = Counter()
    for number, while_writing in islice(cycle(product((signal.SIGKILL, signal.SIGTERM), (False, True))), kills):
        before = lines(out)
        process = start(server, config, name, out, slow=0.005 if while_writing else 0.0)
        wait_for_lines(process, out, before + chance.randint(1, 3))
        time.sleep(chance.uniform(0, 0.1))
        if while_writing:
            wait_for_writing(process, out)
        struck["while writing"] += writing(out)
        with suppress(ProcessLookupError):
            os.kill(process.pid or 0, number)
        process.join()
        assert process.exitcode in (-number, STOPPED, 0)
        struck[number.name] += process.exitcode != 0
        if process.exitcode == 0:
            break
    finish(server, config, name, out)
    return struck


def check(server: ForkServerContext, folder: Path, name: str, kills: int) -> None:
    """Kill runs, one after the other, until `kills` have struck; each ends as the whole one."""
    config = small_config(folder)
    finish(server, config, name, folder / "whole")
    struck: Counter[str] = Counter()
    for attempt in count():
        left = kills - struck["SIGKILL"] - struck["SIGTERM"]
        if left <= 0:
            break
        out = folder / f"killed{attempt}"
        struck += kill_at_random(server, config, name, out, left)
        for output in OUTPUTS:
            assert (out / output).read_bytes() == (folder / "whole" / output).read_bytes(), output
        assert [path.name for path in (out / "checkpoints").iterdir()] == ["final.pt"]
    print(f"{name}: {dict(struck)}")
    assert struck["while writing"] > 0


@pytest.mark.parametrize("name", ["spsr_g", "spsr_p", "nse_p_h"])
def test_a_killed_run_ends_with_the_bytes_of_a_whole_one(server: ForkServerContext, tmp_path: Path, name: str) -> None:
    check(server, tmp_path, name, kills=4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["spsr_g", "spsr_p", "nse_p_h"])
def test_twenty_kills_leave_the_bytes_of_a_whole_run(server: ForkServerContext, tmp_path: Path, name: str) -> None:
    check(server, tmp_path, name, kills=20)
