"""A deterministic network in virtual time for the real core: same seed, same trace.

`cluster` is what a test holds; `scenario` makes a run a value that prints itself.
"""
