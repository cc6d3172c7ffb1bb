"""The API of the orders room, below /api/v1/."""
