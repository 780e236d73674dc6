# Run by `snakemake --sdm conda` in the environment that it has made, from the repository's root.
set -eu
python -m pip install -c envs/constraints.txt -e .
