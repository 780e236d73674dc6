"""The chart of a plan."""

from pathlib import Path

from matplotlib.figure import Figure

from spsr.files import atomic_path
from spsr.planning.timeline import Timeline


def draw_gantt(timeline: Timeline, file: Path) -> None:
    """A Gantt chart, one row a device; the critical path is outlined."""
    names = list(dict.fromkeys(placement.job.name for placement in timeline.placements))
    devices = max((placement.device for placement in timeline.placements), default=0) + 1
    figure = Figure(figsize=(12, 1.2 + 0.45 * devices), layout="constrained")
    axes = figure.subplots()
    unit, label = (24, "days") if timeline.hours > 72 else (1, "hours")
    for placement in timeline.placements:
        critical = placement.job.key in timeline.critical
        start, length = placement.start / unit, (placement.end - placement.start) / unit
        axes.barh(
            placement.device,
            length,
            left=start,
            height=0.8,
            color=f"C{names.index(placement.job.name) % 10}",
            alpha=0.6,
            edgecolor="black" if critical else "white",
            linewidth=1.5 if critical else 0.5,
        )
        text = f"{placement.job.name} {placement.job.seed}"
        size = min(7.0, 1500 * length * unit / timeline.hours / len(text))
        if size > 3:
            axes.text(start + length / 2, placement.device, text, ha="center", va="center", fontsize=size)
    axes.set(xlabel=label, ylabel="device", yticks=range(devices), xlim=(0, None))
    axes.invert_yaxis()
    with atomic_path(file) as temporary:
        figure.savefig(temporary, dpi=150)
