"""Image files, one by one and as a folder of images of one size."""
