"""Settings: `base` is production and reads the environment; `dev` and `test` fill in what a checkout lacks."""
