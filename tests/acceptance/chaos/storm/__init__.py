"""The storm: the product's own processes, forked from warm ones, killed and frozen many times a second.

`docs/storm.md` says what is real in it, what is small, and what is counted.
"""
