"""The catalogue kept up to date: feeds are fetched, read entry by entry, and taken whole or not at all."""
