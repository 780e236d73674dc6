"""From a network or a folder of images to scores."""
