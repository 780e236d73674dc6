"""Runs the sections of `gpu_sections.py` one after the other, each in a process and a time of its own.

A section that fails or takes too long leaves what it has measured and its error; the others go on. What a section does
not use of its time goes to those after it. `benchmarks/gpu.sh` calls this.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
import traceback
from pathlib import Path

import torch
from gpu_bench import Bench
from gpu_sections import SECTIONS, Section

from spsr.files import write_text

FORK = multiprocessing.get_context("fork")
"""Imports are done once; this process itself never speaks to the GPU, so that its children can."""


def carry_out(section: Section, bench: Bench, file: Path) -> None:
    """In a process of its own: append a line to `file` for each row, and one for an error."""
    with file.open("w", encoding="utf-8") as stream:
        try:
            for row in section.measure(bench):
                stream.write(json.dumps(row) + "\n")
                stream.flush()
        except BaseException as error:
            traceback.print_exc()
            said = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            stream.write(json.dumps({"error": said}) + "\n")


def run(name: str, bench: Bench, seconds: float, folder: Path) -> dict[str, object]:
    """Rows of a section, the seconds that it took, and its error if it has one."""
    file, began = folder / name, time.monotonic()
    process = FORK.Process(target=carry_out, args=(SECTIONS[name], bench, file))
    process.start()
    process.join(seconds)
    late = process.is_alive()
    if late:
        process.kill()
        process.join()
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    rows = [json.loads(line) for line in lines if line.endswith("}")]
    errors = [row["error"] for row in rows if row.keys() == {"error"}]
    result: dict[str, object] = {"seconds": time.monotonic() - began}
    if late:
        errors.append(f"stopped after its {seconds:.0f} s")
    elif process.exitcode:
        errors.append(f"ended with {process.exitcode}")
    if errors:
        result["error"] = errors[0]
    return result | {"rows": [row for row in rows if row.keys() != {"error"}]}


def text_of(value: object) -> str:
    """A cell of the table."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def show(name: str, result: dict[str, object]) -> None:
    """A section as a few aligned lines."""
    print(f"\n{name} ({result['seconds']:.0f} s)" + (f": {result['error']}" if "error" in result else ""))
    rows = result["rows"]
    assert isinstance(rows, list)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [columns, *([text_of(row.get(key, "")) for key in columns] for row in rows)] if rows else []
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def main() -> None:
    """Measure, print a table a section, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="JSON file of the record")
    parser.add_argument("--seconds", type=float, default=520, help="for all sections together")
    parser.add_argument("--small", action="store_true", help="a few steps of small networks, as without a GPU")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    given = parser.parse_args()
    ends = time.monotonic() + given.seconds
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        about = run("device", Bench(given.small), 60, Path(folder))
        where = about["rows"][0] if about["rows"] else {"error": about.get("error")}  # type: ignore[index]
        bench = Bench(given.small or not where.get("gpu"))
        print(f"{where}{'; in small form' * bench.small}", flush=True)
        left = [name for name in given.sections if name != "device"]
        while left:
            share = SECTIONS[left[0]].share / sum(SECTIONS[name].share for name in left)
            name = left.pop(0)
            results[name] = run(name, bench, max(share * (ends - time.monotonic()), 1), Path(folder))
            show(name, results[name])
    if given.out is not None:
        record = {"device": where, "torch": torch.__version__, "small": bench.small, "load": os.getloadavg()}
        write_text(given.out, json.dumps(record | {"sections": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
