"""What the finished runs of a preset left on disk, as a reader of results sees it."""
