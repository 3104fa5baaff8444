"""Code of plugins: called so that its failures name the plugin, and its results are checked."""
