"""CPU time that commands take beyond `import torch`, as multiples of the time that `import torch` takes.

    python benchmarks/startup.py [--checkout FOLDER] [--repeats 5]

Trainings and scoring are stopped at their first convolution on real data; `plan` and `methods --cost` run to their
end. Start it where the quick preset has been fetched and prepared (`make demo`). `--checkout` measures the package of
another checkout, by the same interpreter.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from spsr.config import CONFIGS

STOPPED = """
import os, sys, time
import torch
imported = time.process_time()
forward = torch.nn.Conv2d.forward

def end():
    os.write(1, f"\\n{imported} {time.process_time() - imported}\\n".encode())
    os._exit(0)

def convolve(layer, image):
    return forward(layer, image) if image.is_meta else end()

torch.nn.Conv2d.forward = convolve
sys.argv[0] = "spsr"
from spsr.cli import main
try:
    main()
except SystemExit as ended:
    if ended.code:
        raise
end()
"""

COMMANDS = {
    "train": "train spsr_g --out {folder}",
    "pretrain": "pretrain nse_p_h --out {folder}",
    "evaluate": "evaluate bicubic",
    "plan, paper": "plan --rate 100 --configfile {configs}/paper.yaml",
    "methods --cost": "methods --cost",
}


def beyond_torch(command: str, checkout: Path) -> float:
    """CPU time of a command until it stops, without that of `import torch`, over that of `import torch`."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        arguments = command.format(folder=folder, configs=checkout / "configs").split()
        run = [sys.executable, "-P", "-c", STOPPED, *arguments]
        done = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
    imported, rest = map(float, done.stdout.split()[-2:])
    return rest / imported


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--checkout", type=Path, default=CONFIGS.parent)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    for name, command in COMMANDS.items():
        ratios = [beyond_torch(command, options.checkout.resolve()) for _ in range(options.repeats)]
        print(f"{name}: {median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})", flush=True)


if __name__ == "__main__":
    main()
