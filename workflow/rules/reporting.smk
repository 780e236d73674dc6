# Tables, figures, the report, and the import into MLflow.


localrules:
    plan,
    track,


rule plan:
    output:
        layout.root / "plan.json",
    log:
        layout.logs / "plan.log",
    params:
        preset=PRESET,
        settings=pipeline.all_settings,
    shell:
        "spsr plan --configfile {params.preset} --json > {output} 2> {log}"


rule table:
    input:
        pipeline.table_inputs,
    output:
        report(
            layout.table("{name}", "html"),
            category="Tables",
            labels={"table": "{name}", "preset": pipeline.config.preset.preset},
            caption="../report/table.rst",
        ),
        [layout.table("{name}", suffix) for suffix in FORMATS if suffix != "html"],
    log:
        layout.logs / "table" / "{name}.log",
    resources:
        **pipeline.requests.cpu,
        mem_mb=1000,
        runtime=pipeline.requests.minutes(10),
    params:
        preset=PRESET,
        settings=pipeline.table_settings,
        title=lambda wildcards: pipeline.config.table(wildcards.name).title,
    shell:
        "spsr table {wildcards.name} --configfile {params.preset} > {log} 2>&1"


# A figure whose inputs are as they were is left as it is; its time is set to now.
rule figures:
    input:
        pipeline.all_scores,
        pipeline.models,
        pipeline.probes,
        pipeline.measured_by_hand,
    output:
        [
            report(
                update(layout.figures / f"{figure}.png"),
                category="Figures",
                labels={"figure": figure, "shows": CAPTIONS[figure]},
                caption="../report/figure.rst",
            )
            for figure in CAPTIONS
        ],
    log:
        layout.logs / "figures.log",
    resources:
        **pipeline.requests.cpu,
        mem_mb=4000,
        runtime=pipeline.requests.minutes(30),
    params:
        preset=PRESET,
    shell:
        "spsr figure all --configfile {params.preset} > {log} 2>&1"


rule report:
    input:
        pipeline.tables,
        rules.figures.output,
    output:
        report(
            layout.report,
            category="Report",
            labels={"page": "report", "preset": pipeline.config.preset.preset},
            caption="../report/report.rst",
        ),
    log:
        layout.logs / "report.log",
    resources:
        **pipeline.requests.cpu,
        mem_mb=4000,
        runtime=pipeline.requests.minutes(30),
    params:
        preset=PRESET,
    shell:
        "spsr report --configfile {params.preset} > {log} 2>&1"


rule track:
    input:
        pipeline.all_scores,
        pipeline.models,
        rules.report.output,
    output:
        touch(layout.root / "mlflow" / "imported"),
    log:
        layout.logs / "track.log",
    params:
        preset=PRESET,
    shell:
        "spsr track --configfile {params.preset} > {log} 2>&1"


# One target a table: `snakemake --cores 2 table3`.
for table_name in pipeline.config.preset.tables:

    rule:
        name:
            table_name
        input:
            pipeline.table_outputs(table_name),
        localrule: True
