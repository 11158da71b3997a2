"""Requests that come when they come, put to a model in batches: serving them, and what is read off it.

Standard library and NumPy alone; a clock and an engine are arguments, so that the same loop runs live and
in virtual time.
"""
