# Super-resolved images and their scores; accuracies of the structure extractors.
# Images are made on a GPU and scored without one. A rule `score.TABLES` is of the methods that are in just these tables:
# one job scores all of them and waits for no method that its tables do not need.


for each in pipeline.upscalings:

    rule:
        name:
            f"upscale{each.suffix}"
        input:
            each.upscale_inputs,
        output:
            each.upscaled,
        log:
            layout.logs / "upscale" / each.log,
        wildcard_constraints:
            name=pipeline.any_of(each.names),
        resources:
            **pipeline.requests.gpu,
            mem_mb=8000,
            runtime=pipeline.requests.minutes(60),
        params:
            preset=PRESET,
            methods=each.methods,
        shell:
            "spsr evaluate {params.methods} --only upscale --seed {wildcards.seed} --configfile {params.preset} "
            "> {log} 2>&1"


for each in pipeline.scorings:

    rule:
        name:
            f"score{each.suffix}"
        input:
            each.score_inputs,
        output:
            each.scores,
        log:
            layout.logs / "score" / each.log,
        threads: pipeline.threads
        resources:
            **pipeline.requests.cpu,
            mem_mb=8000,
            runtime=pipeline.requests.minutes(60),
        params:
            preset=PRESET,
            methods=each.methods,
            metrics=pipeline.further_metrics,
        shell:
            "spsr evaluate {params.methods} --only score --seed {wildcards.seed} --configfile {params.preset} "
            "> {log} 2>&1"


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
