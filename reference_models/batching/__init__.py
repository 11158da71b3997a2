"""Dynamic batching: who of those that wait is computed together, over the same real model.

`policies` decide, `scoring` and `decoding` compute: both are a small decoder of `reference_models.language`
with random weights, which read a prompt in one call, or write an answer token by token.
"""
