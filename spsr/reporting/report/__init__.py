"""The report: one page about all results of a preset."""
