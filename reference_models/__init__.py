"""Reference models in PyTorch alone: one idea a file, with its paper, its formulae and its tolerance.

They know nothing of what measures them, so each can be read, run and copied by itself.
"""
