"""The only place where back ends and transports meet: it knows everything and decides nothing."""

from muster.bootstrap.home import Home, open_home
from muster.bootstrap.importing import import_file

__all__ = ["Home", "import_file", "open_home"]
