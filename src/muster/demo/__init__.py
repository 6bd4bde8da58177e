"""The main job on real input, in under a minute: `muster demo` and `make demo`."""

from muster.demo.story import run

__all__ = ["run"]
