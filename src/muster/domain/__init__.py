"""The rules of the registry: pure, standard library only, no clock and no I/O."""
