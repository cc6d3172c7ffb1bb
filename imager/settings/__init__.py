"""Settings: `base` is production, from the environment; `dev` and `test` fill in what a checkout lacks."""
