"""The trainings of a preset on N devices: which runs where and when."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spsr.planning.jobs import Job, Key


@dataclass(frozen=True)
class Placement:
    """When and where a job runs, in hours from the start."""

    job: Job
    device: int
    start: float
    end: float


@dataclass(frozen=True)
class Timeline:
    """All jobs on N devices: where each runs, and the chain of jobs that no number of devices can shorten."""

    placements: tuple[Placement, ...]
    critical: tuple[Key, ...]

    @property
    def hours(self) -> float:
        """From the first start to the last end."""
        return max((placement.end for placement in self.placements), default=0.0)


def hours(flops: float, tflops: float) -> float:
    """Device-hours at a sustained rate."""
    return flops / (tflops * 1e12) / 3600


def schedule_jobs(jobs: Sequence[Job], devices: int, tflops: float) -> Timeline:
    """List scheduling: a free device takes, of the jobs whose needs are met, the one with the longest way to go.

    Args:
        jobs: in any order; needs outside of them count as met.
        devices: number of devices, one job on each at a time.
        tflops: what a device sustains.
    """
    by_key = {job.key: job for job in jobs}
    followers: dict[Key, list[Key]] = {key: [] for key in by_key}
    waiting = {}
    for job in jobs:
        needs = [need for need in job.needs if need in by_key]
        waiting[job.key] = len(needs)
        for need in needs:
            followers[need].append(job.key)
    ahead: dict[Key, float] = {}

    def way(key: Key) -> float:
        if key not in ahead:
            ahead[key] = hours(by_key[key].flops, tflops) + max(map(way, followers[key]), default=0.0)
        return ahead[key]

    ready = [(-way(key), key) for key, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    free, now, placements = list(range(devices)), 0.0, []
    running: list[tuple[float, int, Key]] = []
    while ready or running:
        while ready and free:
            _, key = heapq.heappop(ready)
            placement = Placement(by_key[key], heapq.heappop(free), now, now + hours(by_key[key].flops, tflops))
            placements.append(placement)
            heapq.heappush(running, (placement.end, placement.device, key))
        now, device, key = heapq.heappop(running)
        heapq.heappush(free, device)
        for follower in followers[key]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heapq.heappush(ready, (-way(follower), follower))
    critical: list[Key] = []
    choices = [key for key, job in by_key.items() if not any(need in by_key for need in job.needs)]
    while choices:
        critical.append(max(choices, key=way))
        choices = followers[critical[-1]]
    return Timeline(tuple(placements), tuple(critical))


def as_data(jobs: Sequence[Job], timeline: Timeline, devices: int, tflops: float) -> dict[str, Any]:
    """The plan as plain data: FLOPs, bytes and hours."""
    ends = {placement.job.key: placement for placement in timeline.placements}
    return {
        "devices": devices,
        "tflops": tflops,
        "flops": sum(job.flops for job in jobs),
        "device_hours": sum(hours(job.flops, tflops) for job in jobs),
        "makespan_hours": timeline.hours,
        "critical_path": [f"{name}/seed{seed}" for name, seed in timeline.critical],
        "disk": sum(job.disk for job in jobs),
        "disk_while_running": sum(sorted((job.checkpoints for job in jobs), reverse=True)[:devices]),
        "runs": [
            {
                "name": job.name,
                "seed": job.seed,
                "flops": job.flops,
                "hours": hours(job.flops, tflops),
                "memory": job.memory,
                "needs": [f"{name}/seed{seed}" for name, seed in job.needs],
                "tables": list(job.tables),
                "device": ends[job.key].device,
                "start": ends[job.key].start,
                "end": ends[job.key].end,
            }
            for job in jobs
        ],
    }
