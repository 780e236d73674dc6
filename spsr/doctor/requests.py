"""What the jobs of a preset ask of Slurm, in the executor's own words: `python -m spsr.doctor.requests CONFIGFILE`.

A process of its own, because the Snakefile is read and the graph made as for `snakemake --profile slurm all`, without
what is there already. It submits nothing. Its last line is JSON: the rules of the jobs behind each distinct request.
"""

import json
import shlex
import sys
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.cli import parse_args
from snakemake.settings.types import ConfigSettings, DAGSettings, GroupSettings, OutputSettings, ResourceSettings
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry


def requests_of(configfile: str) -> dict[str, list[str]]:
    """The rule of every job that would be submitted, by the options of `sbatch` of its job or of its group."""
    _, given = parse_args(["--profile", "slurm", "all", "--configfile", configfile])
    slurm = ExecutorPluginRegistry().get_plugin("slurm")
    settings = slurm.get_settings(given)
    found: dict[str, list[str]] = {}
    with SnakemakeApi(OutputSettings(dryrun=True)) as snakemake:
        opened = snakemake.workflow(
            ResourceSettings(nodes=given.jobs, default_resources=given.default_resources),
            ConfigSettings(configfiles=given.configfile),
        )
        groups = GroupSettings(overwrite_groups=given.groups, group_components=given.group_components)
        graph = opened.dag(DAGSettings(targets={"all"}, forceall=True))
        graph.execute_workflow("slurm", "dryrun", group_settings=groups)
        workflow = opened._workflow
        workflow._executor_plugin = slurm  # the dry run's own takes all jobs for local ones
        for job in workflow.dag.jobs:
            if not job.is_local:
                asked = _options(workflow.dag.get_job_group(job) or job, settings)
                found.setdefault(asked, []).append(job.rule.name.partition(".")[0])
    return found


def _options(job: Any, settings: Any) -> str:
    asked = job.resources
    place = {key: asked.get(f"slurm_{key}") for key in ("account", "partition")}
    named = {key: f"--{key}={shlex.quote(str(value))}" if value else "" for key, value in place.items()}
    named |= {"run_uuid": "spsr", "slurm_logfile": "/dev/null", "comment_str": "spsr", "workdir": ""}
    words = shlex.split(get_submit_command(job, named, settings) + set_gres_string(job))
    return shlex.join(words[words.index("--comment") + 2 :])


if __name__ == "__main__":
    print(json.dumps(requests_of(sys.argv[1])))
