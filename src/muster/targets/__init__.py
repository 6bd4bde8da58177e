"""Where versions run, each behind the port `Target`."""
