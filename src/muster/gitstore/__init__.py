"""The registry's Git repository: writing it, reading it, keeping it in order."""
