"""Container images out of registries, as tars for `docker load`: without root, checked while they arrive."""
