"""`python tests/slurm/polling.py ARGUMENTS`: Snakemake that asks remote executors for news every second.

The Slurm executor asks ever more rarely while nothing finishes, which suits a cluster and not a test.
"""

import asyncio
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def _one_second(self: RemoteExecutor) -> None:
    await asyncio.sleep(1)


RemoteExecutor.sleep = _one_second

if __name__ == "__main__":
    sys.exit(main())
