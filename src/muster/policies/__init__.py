"""The language that policies are written in."""
