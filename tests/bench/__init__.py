"""Measurements of the whole node and of its parts. `make bench` prints; nothing here asserts a time."""
