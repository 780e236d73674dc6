# Structure extractors, PSNR networks and every method. Checkpoints lie beside the run and are no outputs:
# a job that starts again goes on from the newest one. In a Slurm job `spsr slot` ends the command before the job's
# limit and puts the job back in the queue; elsewhere it does nothing. Weights do not depend on validation images,
# which therefore may be newer.


rule pretrain:
    input:
        layout.training_pack,
    output:
        layout.model("{name}", "{seed}"),
    log:
        layout.logs / "pretrain" / "{name}.seed{seed}.log",
    wildcard_constraints:
        name=pipeline.any_of((*pipeline.pretrained, *pipeline.judges)),
    threads: pipeline.threads
    resources:
        **pipeline.requests.training,
        mem_mb=pipeline.requests.training_memory,
        runtime=pipeline.requests.training_minutes,
    params:
        preset=PRESET,
        settings=pipeline.settings,
    shell:
        "spsr slot $(dirname {output}) -- "
        "spsr pretrain {wildcards.name} --configfile {params.preset} --seed {wildcards.seed}"
        + RESTART
        + " > {log} 2>&1"


rule train:
    input:
        pipeline.training_inputs,
        ancient(pipeline.validation_inputs),
    output:
        layout.model("{name}", "{seed}"),
    log:
        layout.logs / "train" / "{name}.seed{seed}.log",
    wildcard_constraints:
        name=pipeline.any_of(pipeline.fine_tuned),
    threads: pipeline.threads
    resources:
        **pipeline.requests.training,
        mem_mb=pipeline.requests.training_memory,
        runtime=pipeline.requests.training_minutes,
    params:
        preset=PRESET,
        settings=pipeline.settings,
    shell:
        "spsr slot $(dirname {output}) -- "
        "spsr train {wildcards.name} --configfile {params.preset} --seed {wildcards.seed}"
        + RESTART
        + " > {log} 2>&1"


# A rule of its own, because a job on a cluster looks at the others of its rule again.
use rule train as train_start with:
    wildcard_constraints:
        name=pipeline.any_of(pipeline.started_from),
