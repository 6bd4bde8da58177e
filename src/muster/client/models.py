"""Models and their aliases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muster.client.calls import Calls, given, path
from muster.client.tables import Board, Record


class Models:
    """Containers of versions."""

    calls: Calls

    def models(
        self,
        *,
        text: str | None = None,
        owner: str | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int | None = None,
    ) -> Board:
        """The models, by name; with all of `tags`."""
        return self.calls.board(path("models"), limit, text=text, owner=owner, tag=tag_filter(tags))

    def model(self, name: str, *, at: str | None = None) -> Record:
        """A model with its card, now or at a time or commit."""
        return self.calls.record(path("models", name), at=at)

    def create_model(
        self,
        name: str,
        *,
        owner: str | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        card: str | None = None,
        reason: str = "",
        dry_run: bool = False,
    ) -> Record:
        """Make a model without versions; `card` is Markdown."""
        fields = given(owner=owner, description=description, tags=tags, card=card, reason=reason)
        return self.calls.write("POST", path("models"), {"name": name} | fields, dry_run=dry_run)

    def update_model(
        self,
        name: str,
        fields: Mapping[str, Any],
        *,
        reason: str = "",
        if_match: str | None = None,
        dry_run: bool = False,
    ) -> Record:
        """Set `owner`, `description`, `tags` or `card`; None clears, and in `tags` removes the key."""
        body = dict(fields) | given(reason=reason)
        return self.calls.write("PATCH", path("models", name), body, if_match=if_match, dry_run=dry_run)

    def delete_model(
        self, name: str, *, reason: str = "", if_match: str | None = None, dry_run: bool = False
    ) -> Record:
        """Delete a model with all its versions, none of which may be deployed."""
        return self.calls.write(
            "DELETE", path("models", name), reason=reason, if_match=if_match, dry_run=dry_run
        )

    def aliases(self, model: str, *, limit: int | None = None) -> Board:
        """The aliases of a model and what they mean."""
        return self.calls.board(path("models", model, "aliases"), limit)

    def set_alias(
        self, model: str, alias: str, version: str, *, reason: str = "", dry_run: bool = False
    ) -> Record:
        """Have `alias` mean a version of `model`, named by label or number; gives the model."""
        body = {"version": version} | given(reason=reason)
        return self.calls.write("PUT", path("models", model, "aliases", alias), body, dry_run=dry_run)

    def remove_alias(self, model: str, alias: str, *, reason: str = "", dry_run: bool = False) -> Record:
        """Have `alias` mean nothing."""
        return self.calls.write(
            "DELETE", path("models", model, "aliases", alias), reason=reason, dry_run=dry_run
        )


def tag_filter(tags: Mapping[str, str] | None) -> list[str] | None:
    """`tags` as the query takes them."""
    return [f"{key}:{value}" for key, value in tags.items()] if tags else None
