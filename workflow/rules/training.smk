# Structure extractors, PSNR networks and every method. Checkpoints lie beside the run and are no outputs:
# a job that starts again goes on from the newest one.


rule pretrain:
    input:
        layout.training_pack,
    output:
        layout.model("{name}", "{seed}"),
    log:
        layout.logs / "pretrain" / "{name}.seed{seed}.log",
    conda:
        "../../envs/environment.yaml"
    wildcard_constraints:
        name=pipeline.any_of(pipeline.pretrained),
    params:
        preset=PRESET,
        settings=pipeline.settings,
    threads: pipeline.threads
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=240,
    shell:
        "spsr pretrain {wildcards.name} --configfile {params.preset} --seed {wildcards.seed} > {log} 2>&1"


rule train:
    input:
        pipeline.training_inputs,
    output:
        layout.model("{name}", "{seed}"),
    log:
        layout.logs / "train" / "{name}.seed{seed}.log",
    conda:
        "../../envs/environment.yaml"
    wildcard_constraints:
        name=pipeline.any_of(pipeline.trained),
    params:
        preset=PRESET,
        settings=pipeline.settings,
    threads: pipeline.threads
    resources:
        gpu=1,
        mem_mb=16000,
        runtime=240,
    shell:
        "spsr train {wildcards.name} --configfile {params.preset} --seed {wildcards.seed} > {log} 2>&1"
