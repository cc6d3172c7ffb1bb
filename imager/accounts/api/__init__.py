"""The API of the accounts room, below /api/v1/."""
