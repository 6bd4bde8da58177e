"""Taking out of use: bans, retracted data, purges; and what was made from what."""

from __future__ import annotations

from muster.client.calls import given, path
from muster.client.deployments import Steps
from muster.client.releases import Releases
from muster.client.tables import Board, Record
from muster.domain.errors import MusterError


class Bans(Releases):
    """What is not to be used any more, and what was made of it."""

    def ban(
        self,
        of: str,
        reason: str,
        *,
        undeploy: bool = False,
        dry_run: bool = False,
        on_step: Steps | None = None,
    ) -> Record:
        """Have a version (by any reference), or every version with the file `sha256:…`, not used any more.

        The answer says what that comes to: `versions`, `runs_in`, `built_on_it`. With
        `undeploy` each is taken out of service; `operations` are as they ended, and
        `not_undeployed` says where it could not be, and why.
        """
        body = {"of": of, "reason": reason} | ({"undeploy": True} if undeploy else {})
        found = self.calls.write("POST", path("bans"), body, dry_run=dry_run)
        if dry_run or not undeploy:
            return found
        ended: list[Record] = []
        for begun in found["operations"]:
            try:
                ended.append(self.followed(begun, on_step))
            except MusterError as error:
                told = {"code": error.code, "message": error.message}
                found["not_undeployed"].append(
                    {"environment": begun["environment"], "name": begun["model"]} | told
                )
        found["operations"] = ended
        return found

    def unban(self, of: str, reason: str, *, dry_run: bool = False) -> Record:
        """Lift the ban of a version or of a file `sha256:…`."""
        return self.calls.write("DELETE", path("bans"), of=of, reason=reason, dry_run=dry_run)

    def bans(self, *, limit: int | None = None) -> Board:
        """What is banned, and where it runs."""
        return self.calls.board(path("bans"), limit)

    def retract_data(self, of: str, reason: str, *, dry_run: bool = False) -> Record:
        """Flag everything that was trained on the data `sha256:…`, or on data of that name."""
        body = {"of": of, "reason": reason}
        return self.calls.write("POST", path("retractions"), body, dry_run=dry_run)

    def unretract_data(self, of: str, reason: str, *, dry_run: bool = False) -> Record:
        """Take the retraction of data back."""
        return self.calls.write("DELETE", path("retractions"), of=of, reason=reason, dry_run=dry_run)

    def retractions(self, *, limit: int | None = None) -> Board:
        """The data that is retracted, and where what was trained on it runs."""
        return self.calls.board(path("retractions"), limit)

    def uses(self, of: str, *, limit: int | None = None) -> Board:
        """Every version that was trained on, built on or holds it, and where each ran when.

        `of` is a digest `sha256:…` of data or of a file, a version by any reference, or
        the name or address of data or of a base.
        """
        return self.calls.board(path("uses"), limit, of=of)

    def purge(self, ref: str, reason: str, *, if_match: str | None = None, dry_run: bool = False) -> Record:
        """Remove the files of a version for good; its record stays.

        `removed` are those whose bytes are gone, `kept` those that something else uses.
        """
        version = self.version(ref)
        where = path("models", version["name"], "versions", str(version["number"]), "purge")
        return self.calls.write("POST", where, given(reason=reason), if_match=if_match, dry_run=dry_run)
