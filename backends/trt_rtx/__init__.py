"""The runtime ``tensorrt_rtx``: engines for RTX cards, built ahead of time on any machine."""
