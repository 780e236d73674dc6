#!/usr/bin/env bash
# Everything that needs a GPU, in under nine minutes: ceilings, correctness, step times, runs side by side, evaluation.
# It needs torch >= 2.11, numpy, scipy, pydantic, PyYAML, safetensors and pillow, and installs nothing; a section that
# needs more says so. Without a GPU it runs in small form, to show that it works.
#
#     benchmarks/gpu.sh --out benchmarks/gpu/h200.json
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
command -v "$python" > /dev/null || python=python3
PYTHONPATH=.${PYTHONPATH:+:$PYTHONPATH} exec "$python" benchmarks/gpu.py "$@"
