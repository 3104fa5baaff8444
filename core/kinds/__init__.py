"""The kinds of plugin: one file each with the descriptor and the protocol of its heavy half."""
