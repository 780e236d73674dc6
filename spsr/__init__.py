"""Reproducible benchmark and ablation pipeline for structure-preserving image super-resolution (SPSR)."""

__version__ = "0.1.0"
