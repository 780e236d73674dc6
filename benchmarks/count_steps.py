"""Counts a step of every training of the presets in `configs/` and writes `spsr/training/counted.jsonl`.

    python benchmarks/count_steps.py

Run it when a network, a loss or a size has changed; `spsr plan`, `spsr methods --cost` and the ledgers read the table.
"""

from spsr.config import CONFIGS, load
from spsr.files import write_text
from spsr.training.step_cost import COUNTED, steps


def main() -> None:
    presets = [file for file in sorted(CONFIGS.glob("*.yaml")) if "preset:" in file.read_text(encoding="utf-8")]
    distinct = {step.what: step for preset in presets for step in steps(load(preset)).values()}
    write_text(COUNTED, "".join(f"{distinct[what].line()}\n" for what in sorted(distinct)))
    print(f"{COUNTED}: {len(distinct)} steps")


if __name__ == "__main__":
    main()
