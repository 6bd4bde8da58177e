"""What Git declares → what runs, until they agree: at the start, and after every change that declares."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Final

from muster.domain.errors import MusterError, NoRuntime, NotFound
from muster.service.deployer import Deployer
from muster.service.follow import Follower
from muster.service.registry import Registry
from muster.service.values import Logged

POLL_S: Final = 1.0
PAGE: Final = 1000
# They change what a rollback would return to, in any place.
_STANDBY: Final = frozenset({"ban", "unban", "purge"})

log = logging.getLogger(__name__)


class Reconciler:
    """Follows the log with a cursor of its own, also what other processes write to the same home."""

    def __init__(self, registry: Registry, deployer: Deployer, follower: Follower) -> None:
        self._registry = registry
        self._deployer = deployer
        self._follower = follower
        self._cursor = 0
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)

    def start(self) -> None:
        """Bring back what is declared, then follow. Returns at once: workers start in the meantime."""
        newest = self._registry.index.newest()
        self._cursor = newest.position if newest else 0
        for deployment, _ in self._registry.index.deployments():
            self._settle(deployment.environment, deployment.model)
        self._thread.start()

    def recorded(self, logged: Sequence[Logged]) -> None:
        """The committer's listener: look at once if something was declared."""
        if any(each.entry.declares or each.entry.kind in _STANDBY for each in logged):
            self._wake.set()

    def close(self) -> None:
        """Stop following."""
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(POLL_S)
            self._wake.clear()
            try:
                self._follower.catch_up()
                self._settle_late()
                self._follow()
            except Exception:  # the next round may go better; it must not be the last
                log.exception("reconciling failed")

    def _settle_late(self) -> None:
        """Try again what a target could not do; each place once a round."""
        for _ in range(self._deployer.unsettled.qsize()):
            self._settle(*self._deployer.unsettled.get())

    def _follow(self) -> None:
        while logged := self._registry.index.changes_after(self._cursor, PAGE):
            places = {
                (entry.environment, entry.model)
                for each in logged
                for entry in each.entry.each
                if entry.deployed is not None and entry.environment and entry.model
            }
            for environment, model in sorted(places):
                # One under way settles by itself when it ends, and may not be disturbed.
                if environment and model and not self._deployer.operations.busy(environment, model):
                    self._settle(environment, model)
            if any(each.entry.kind in _STANDBY for each in logged):
                self._settle_all()
            self._cursor = logged[-1].position

    def _settle_all(self) -> None:
        """What stands by, to be returned to, may be another one."""
        for deployment, _ in self._registry.index.deployments():
            if not self._deployer.operations.busy(deployment.environment, deployment.model):
                self._settle(deployment.environment, deployment.model)

    def _settle(self, environment: str, model: str) -> None:
        try:
            self._deployer.settle(environment, model)
        except NotFound:
            log.info("nothing to run", extra={"environment": environment, "model": model})
        except NoRuntime as error:
            log.warning(
                "a declared version cannot run",
                extra={"environment": environment, "model": model, "error": error.message},
            )
        except MusterError as error:
            log.warning(
                "a target is not there; it is tried again",
                extra={"environment": environment, "model": model, "error": error.message},
            )
            self._deployer.unsettled.put((environment, model))
