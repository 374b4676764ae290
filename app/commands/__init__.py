"""The commands of `flask`: segmenting from the shell, settings, tokens, users."""
