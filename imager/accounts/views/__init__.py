"""Pages of the accounts room; those of logging in are allauth's."""
