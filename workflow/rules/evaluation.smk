# Super-resolved images and their scores; accuracies of the structure extractors.
# Images are made on a GPU and scored without one, but for small presets, where one job does both. A rule `score.TABLES`
# is of the methods that are in just these tables: one job scores all of them and waits for no method that its tables do
# not need.


for each in pipeline.evaluations:

    rule:
        name:
            each.rule
        input:
            each.inputs,
        output:
            each.outputs,
        log:
            each.log,
        wildcard_constraints:
            name=pipeline.any_of(each.names),
        threads: pipeline.threads
        resources:
            **(pipeline.requests.cpu if each.only == "score" else pipeline.requests.gpu),
            mem_mb=8000,
            runtime=pipeline.requests.minutes(60),
        params:
            preset=PRESET,
            methods=each.methods,
            part=each.part,
            metrics=each.metrics,
        shell:
            "spsr evaluate {params.methods} {params.part} --seed {wildcards.seed} --configfile {params.preset} "
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
