"""Keys, and the files of signed statements: what a registry's history is proven with."""
