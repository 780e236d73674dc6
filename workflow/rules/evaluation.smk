# Super-resolved images and their scores; accuracies of the structure extractors.


rule evaluate:
    input:
        pipeline.evaluation_inputs,
    output:
        [layout.scores("{name}", "{seed}", dataset) for dataset in pipeline.benchmarks],
    log:
        layout.logs / "evaluate" / "{name}.seed{seed}.log",
    wildcard_constraints:
        name=pipeline.any_of(pipeline.methods),
    resources:
        **pipeline.requests.gpu,
        mem_mb=8000,
        runtime=pipeline.requests.minutes(60),
    params:
        preset=PRESET,
        metrics=pipeline.further_metrics,
    shell:
        "spsr evaluate {wildcards.name} --configfile {params.preset} --seed {wildcards.seed} > {log} 2>&1"


rule probe:
    input:
        pipeline.probe_inputs,
    output:
        layout.probe("{name}"),
    log:
        layout.logs / "probe" / "{name}.log",
    wildcard_constraints:
        name=pipeline.any_of(pipeline.extractors),
    threads: pipeline.threads
    resources:
        **pipeline.requests.gpu,
        mem_mb=8000,
        runtime=pipeline.requests.site.slot_minutes,
    params:
        preset=PRESET,
        settings=pipeline.probe_settings,
    shell:
        "spsr slot $(dirname {output})/{wildcards.name} -- "
        "spsr probe {wildcards.name} --configfile {params.preset} > {log} 2>&1"
