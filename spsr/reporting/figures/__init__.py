"""The figures of the paper that the pipeline's results can draw, and loss curves. See `catalogue.FIGURES`."""
