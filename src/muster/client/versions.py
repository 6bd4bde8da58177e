"""Versions: the records, their stage, and the short methods that `ModelRegistry` has too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muster.client.calls import given, path
from muster.client.models import Models, tag_filter
from muster.client.tables import Board, Record
from muster.domain.errors import NotFound


class Versions(Models):
    """Registered instances of models. A `ref` is a model id, `name/v1`, `name@alias` or `name:production`."""

    # ------------------------------------------------------------ as ModelRegistry

    def register_model(
        self,
        model_name: str,
        version: str,
        description: str,
        training_data: str | Mapping[str, Any],
        deployment_status: str = "development",
        **more: Any,
    ) -> str:
        """Register a version and give its model id; the same content again changes nothing.

        `more` may hold `owner`, `tags`, `metrics`, `params`, `source` and `reason`.
        """
        body = {
            "name": model_name,
            "version": version,
            "description": description,
            "training_data": training_data,
            "deployment_status": deployment_status,
            **more,
        }
        return str(self.calls.write("POST", "/models", body)["model_id"])

    def get_model(self, model_id: str) -> Record | None:
        """The record of a version by its model id; None if there is none."""
        try:
            found = self.version(model_id)
        except NotFound:
            return None
        return found if found["model_id"] == model_id else None

    def list_models(self) -> list[str]:
        """All model ids, in the order of registration."""
        asked: dict[str, Any] = {}
        found: list[str] = []
        while True:
            page = self.calls.get("/models", asked).json()
            found += page["models"]
            if page.get("next") is None:
                return found
            asked["after"] = page["next"]

    # ------------------------------------------------------------ records

    def versions(
        self,
        model: str | None = None,
        *,
        text: str | None = None,
        stage: str | None = None,
        kind: str | None = None,
        tags: Mapping[str, str] | None = None,
        order: str | None = None,
        limit: int | None = None,
    ) -> Board:
        """The versions of a model, or of all; `order` as in `created_at`, `-metric:accuracy`."""
        where = path("models", model, "versions") if model is not None else path("versions")
        return self.calls.board(
            where, limit, text=text, stage=stage, kind=kind, tag=tag_filter(tags), order=order
        )

    def version(self, ref: str, *, at: str | None = None) -> Record:
        """The version that `ref` means, now or at a time or commit."""
        return self.calls.record(path("resolve"), ref=ref, at=at)

    def create_version(
        self,
        model: str,
        fields: Mapping[str, Any],
        *,
        reason: str = "",
        key: str | None = None,
        dry_run: bool = False,
    ) -> Record:
        """Register a version; `fields` as in the API. `register` also brings the files."""
        body = dict(fields) | given(reason=reason)
        return self.calls.write("POST", path("models", model, "versions"), body, key=key, dry_run=dry_run)

    def update_version(
        self,
        ref: str,
        fields: Mapping[str, Any],
        *,
        reason: str = "",
        if_match: str | None = None,
        dry_run: bool = False,
    ) -> Record:
        """Set `description`, `owner` or `tags`; None clears, and in `tags` removes the key."""
        body = dict(fields) | given(reason=reason)
        return self.calls.write("PATCH", self._place(ref), body, if_match=if_match, dry_run=dry_run)

    def delete_version(
        self, ref: str, *, reason: str = "", if_match: str | None = None, dry_run: bool = False
    ) -> Record:
        """Delete a version that is not deployed; its number and id are not used again."""
        return self.calls.write("DELETE", self._place(ref), reason=reason, if_match=if_match, dry_run=dry_run)

    def set_stage(self, ref: str, stage: str, *, reason: str = "", dry_run: bool = False) -> Record:
        """Set the stage by hand; that never counts as deployed."""
        body = {"stage": stage} | given(reason=reason)
        return self.calls.write("PUT", f"{self._place(ref)}/stage", body, dry_run=dry_run)

    def note(self, ref: str, message: str, *, reason: str = "", dry_run: bool = False) -> Record:
        """Write words about a version into its history; gives the change."""
        body = {"message": message} | given(reason=reason)
        return self.calls.write("POST", f"{self._place(ref)}/notes", body, dry_run=dry_run)

    def history(self, model_id: str, *, limit: int | None = None) -> Board:
        """The changes that name the version, newest first."""
        return self.calls.board(f"{self._place(model_id)}/history", limit)

    def _place(self, ref: str) -> str:
        """Where the version that `ref` means has its record."""
        found = self.version(ref)
        return place(found)


def place(version: Mapping[str, Any]) -> str:
    """Where a version has its record, files and history."""
    return path("models", version["name"], "versions", str(version["number"]))
