"""The figures that Muster promises, each as a ratio from one run: `python -m benchmarks`."""
