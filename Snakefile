# The benchmark and ablations of structure-preserving super-resolution, from images to Tables 1-7.
#
#     snakemake --cores 2                                        the quick preset
#     snakemake --cores 2 --configfile=configs/NAME.yaml table3  another preset, one table
#     snakemake --profile slurm all                              the paper's schedule on a cluster

import sys
from pathlib import Path

from snakemake.settings.types import DeploymentMethod
from snakemake.utils import min_version

from spsr.cluster.crowding import planned_crowding
from spsr.cluster.requests import forecast
from spsr.config.table import FORMATS
from spsr.console import take_over
from spsr.pipeline import end, named_preset, open_pipeline
from spsr.pipeline.renewal import asked_for, listing, refusal, renewals
from spsr.reporting.figures.captions import CAPTIONS

min_version("9.20")

PRESET = named_preset(workflow.configfiles)
pipeline = open_pipeline(PRESET)
layout = pipeline.config.layout

if workflow.is_main_process:
    take_over(logger, workflow.output_settings)
    if pipeline.plans and (expected := forecast(pipeline.config)):
        logger.info(expected)
    changed = renewals(pipeline.config, pipeline.trainings)
    if changed:
        logger.warning(listing(changed))
    if crowded := planned_crowding(pipeline.config, pipeline.requests.site):
        logger.warning(crowded)

RESTART = " --restart-changed" if asked_for(config) else ""

# Jobs run the `spsr` of this Python; with `--sdm conda` that of the environment that Snakemake makes and activates.
in_conda = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
shell.prefix(
    "set -euo pipefail; "
    + ("" if in_conda else f"export PATH={Path(sys.executable).parent}:$PATH; ")
)


include: "workflow/rules/data.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/reporting.smk"


onstart:
    launched = [file for job in workflow.dag.needrun_jobs() for file in job.output]
    if not asked_for(config) and (refused := refusal(changed, launched)):
        end(refused)
    if crowded := planned_crowding(
        pipeline.config, pipeline.requests.site, launched
    ):
        end(crowded)


localrules:
    all,


rule all:
    default_target: True
    input:
        pipeline.all_images,
        pipeline.all_scores,
        pipeline.tables,
        rules.figures.output,
        rules.report.output,
        rules.track.output,
        pipeline.plans,


for each in workflow.rules:
    if each.shellcmd:
        each.conda_env = f"{workflow.basedir}/envs/environment.yaml"
