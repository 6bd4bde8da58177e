"""Backups: what one says that it holds, and the two forms in which it is kept."""
