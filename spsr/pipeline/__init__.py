"""The graph of a preset: which methods are run, and what each job reads and writes."""

from spsr.pipeline.graph import Pipeline
from spsr.pipeline.workflow import end, named_preset, open_pipeline

__all__ = ["Pipeline", "end", "named_preset", "open_pipeline"]
