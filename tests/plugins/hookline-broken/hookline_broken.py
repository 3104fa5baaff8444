"""A plugin that fails on import, as plugins do after an upgrade of something else."""

raise RuntimeError("libbroken.so.3: cannot open shared object file")
