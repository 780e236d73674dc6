"""The graph of a preset: which methods are run, and what each job reads and writes."""

from spsr.pipeline.graph import Pipeline
from spsr.pipeline.workflow import named_preset, open_pipeline

__all__ = ["Pipeline", "named_preset", "open_pipeline"]
