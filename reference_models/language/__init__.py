"""A decoder-only language model whose attention can be replaced, and what is kept when it is.

`decoder` is the architecture, `smollm2` reads a trained model of it from an installed package, `tokens` and
`texts` give it something to read; `scoring`, `passkey` and `answers` ask what it can still do with another
attention.
"""
