"""The kinds of plugins: one module each with the descriptor and the protocol of its implementation."""
