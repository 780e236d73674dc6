"""Typed, strict configuration: presets, methods, extractors and tables."""

from spsr.config.config import CONFIGS, Config
from spsr.config.layout import Layout, resources
from spsr.config.loading import load
from spsr.config.method import Losses, Method, Term
from spsr.config.settings import Compute, Extractor, Perceptual, Probe, Recipe, Schedule
from spsr.config.table import Table
from spsr.config.training_settings import TrainingSettings, digest

__all__ = [
    "CONFIGS",
    "Compute",
    "Config",
    "Extractor",
    "Layout",
    "Losses",
    "Method",
    "Perceptual",
    "Probe",
    "Recipe",
    "Schedule",
    "Table",
    "Term",
    "TrainingSettings",
    "digest",
    "load",
    "resources",
]
