"""The project: settings, accounts, lifecycle, composition."""

__version__ = "0.1.0"
