"""Our own API: for curl, for the client, for machines that deploy, and its description."""

from muster.http.app import create_app
from muster.http.services import Mount, Services

__all__ = ["Mount", "Services", "create_app"]
