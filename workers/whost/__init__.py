"""The host configurator: `python -m workers.whost`."""
