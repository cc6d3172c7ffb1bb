"""What hosts and warehouses call (docs/protocol.md)."""
