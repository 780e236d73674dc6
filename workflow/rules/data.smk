# Images and pretrained weights: fetched on the submitting machine, prepared once for all jobs.


localrules:
    fetch_weights,
    fetch_dataset,


rule fetch_weights:
    output:
        f"{pipeline.weights_folder}/{{name}}.{{suffix}}",
    log:
        layout.logs / "fetch_weights" / "{name}.{suffix}.log",
    wildcard_constraints:
        name=r"\w+",
        suffix="safetensors|h5|pth|pt",
    resources:
        mem_mb=2000,
        runtime=60,
    shell:
        "spsr fetch {wildcards.name} > {log} 2>&1"


rule fetch_dataset:
    output:
        f"{pipeline.datasets_folder}/{{name}}/passport.json",
    log:
        layout.logs / "fetch_dataset" / "{name}.log",
    resources:
        mem_mb=2000,
        runtime=600,
    shell:
        "spsr fetch {wildcards.name} > {log} 2>&1"


rule prepare_benchmark:
    input:
        pipeline.benchmark_sources,
    output:
        layout.passport("{name}"),
    log:
        layout.logs / "prepare_benchmark" / "{name}.log",
    resources:
        **pipeline.requests.cpu,
        mem_mb=2000,
        runtime=pipeline.requests.minutes(20),
    params:
        preset=PRESET,
        source=pipeline.benchmark_settings,
    shell:
        "spsr prepare {wildcards.name} --configfile {params.preset} > {log} 2>&1"


rule prepare_training:
    input:
        pipeline.training_sources,
    output:
        layout.training_pack,
    log:
        layout.logs / "prepare_training.log",
    threads: 4
    resources:
        **pipeline.requests.cpu,
        mem_mb=16000,
        runtime=pipeline.requests.minutes(120),
    params:
        preset=PRESET,
        source=pipeline.training_source_settings,
    shell:
        "spsr prepare training --configfile {params.preset} > {log} 2>&1"
