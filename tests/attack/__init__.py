"""The attack suite: hostile and odd input for the real command. ``python -m tests.attack``; docs/attack.md."""
