"""The spine of hookline: configuration, plugins, planning, the store and the runner."""
