"""Doubles of what lies beyond a wall, at the network's edge."""
