"""The framework of hookline: configuration, plugins, planning, execution, the store, and what all stages share."""
