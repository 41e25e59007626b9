"""Servers to measure against: the floor under every lane (`floor`), and the ceiling of the engine (`null`).

Neither is for anything else: they know just the requests that the load engine makes.
"""
