"""Getting files: sources, downloads, packages, archives, and the files' conversion."""
