"""The curves of a training as points of MLflow's metrics."""

from typing import Any

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
            points[f"validation/{metric}", entry["step"]] = (value, times[entry["step"]])
    return points
