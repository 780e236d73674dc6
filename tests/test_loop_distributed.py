"""Two processes train what one trains at the same global batch."""

import json
import multiprocessing
import os
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_runs import command, small_schedules
from synthetic import toy_config

from spsr.config import Config


def rank(config: Config, name: str, out: Path, number: int, port: int) -> None:
    """What torchrun starts."""
    os.environ |= {
        "RANK": str(number),
        "LOCAL_RANK": str(number),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    command(config, name, out)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("name", ["spsr_g", "nse_p_h"])
def test_two_processes_have_the_losses_of_one(tmp_path: Path, name: str) -> None:
    config = toy_config(
        tmp_path,
        recipe={"like": "official", "replicas": 2, "fusion_warmup": 0},
        schedules=small_schedules(iterations=4, learning_rate=1e-4, log_every=1),
        networks={"discriminator": {"channels": 2}},
    )
    context = multiprocessing.get_context("spawn")
    port = free_port()
    alone = context.Process(target=command, args=(config, name, tmp_path / "one"))
    pair = [context.Process(target=rank, args=(config, name, tmp_path / "two", i, port)) for i in range(2)]
    for process in (alone, *pair):
        process.start()
    for process in (alone, *pair):
        process.join()
        assert process.exitcode == 0
    one, two = (
        [json.loads(line) for line in (tmp_path / folder / "events.jsonl").read_text().splitlines()]
        for folder in ("one", "two")
    )
    assert len(one) == len(two) == 4
    assert two[0]["losses"] == pytest.approx(one[0]["losses"], rel=1e-4, abs=1e-6)
    # Adam's first moves follow the sign of a gradient, however small, so that rounding shows in some weights.
    for alone_line, pair_line in zip(one, two, strict=True):
        assert pair_line["losses"] == pytest.approx(alone_line["losses"], rel=5e-3, abs=5e-4)
    weights = [load_file(tmp_path / folder / "model.safetensors") for folder in ("one", "two")]
    apart = torch.cat([(weights[0][key] - weights[1][key]).abs().flatten() for key in weights[0]])
    assert float(apart.median()) < 1e-6
