"""Datasets, pretrained weights and their preparation; every download lies under `resources/`."""
