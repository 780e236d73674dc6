"""The curves of a training as points of MLflow's metrics."""

from collections import Counter
from typing import Any

CURVE_POINTS = 500
"""Points of a curve that MLflow is given at most, each a row of its database; its pages draw 320 of them, and
`events.jsonl` has them all."""

Points = dict[tuple[str, int], tuple[float, int]]
"""Value and time (milliseconds since 1970) by metric and step."""


def curves(events: list[dict[str, Any]], ledger: list[dict[str, Any]], otherwise: int) -> Points:
    """Losses and learning rate of every event, and what validations found.

    Args:
        events: lines of `events.jsonl`.
        ledger: lines of `ledger.jsonl`, which say when a step was logged, and hold the validations.
        otherwise: time of the steps of which the ledger says nothing.
    """
    times = {entry["step"]: int(1000 * entry["time"]) for entry in ledger if "time" in entry and "step" in entry}
    points: Points = {}
    for event in events:
        step = event["step"]
        when = times.get(step, otherwise)
        points["learning rate", step] = (event["lr"], when)
        for term, value in event["losses"].items():
            points[f"loss/{term}", step] = (value, when)
    for entry in ledger:
        for metric, value in entry.get("validation", {}).items():
            points[f"validation/{metric}", entry.get("step", 0)] = (value, times.get(entry.get("step", 0), otherwise))
    return points


def thinned(points: Points) -> Points:
    """The points of each metric, or evenly every second, fourth, eighth … of them: at most `CURVE_POINTS`.

    A curve that grows only loses points: what a run under way sent earlier holds all that is kept at its end.
    """
    counts = Counter(metric for metric, _ in points)
    strides = {metric: _stride(count) for metric, count in counts.items()}
    place: Counter[str] = Counter()
    kept: Points = {}
    for (metric, step), point in points.items():
        if place[metric] % strides[metric] == 0:
            kept[metric, step] = point
        place[metric] += 1
    return kept


def _stride(count: int) -> int:
    """The least power of two that leaves at most `CURVE_POINTS` of so many."""
    stride = 1
    while count > stride * CURVE_POINTS:
        stride *= 2
    return stride
