"""What runs on the hosts. Knows `workers.*` and the standard protocol, never Django."""

__version__ = "0.1.0"
