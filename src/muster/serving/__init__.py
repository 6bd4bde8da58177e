"""What runs inside a worker and in front of it: runtimes, the worker program, the gateway."""
