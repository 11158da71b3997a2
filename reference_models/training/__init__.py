"""Training with less memory: gradients gathered over smaller batches, and activations computed twice.

Every function takes parameters by name and gives gradients by name, and leaves both its arguments and the
state of random numbers as they were, so that two of them can be held against each other.
"""
