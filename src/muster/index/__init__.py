"""The index: what is asked often, as SQL rows derived from Git."""
