"""Addresses of pages, with names quoted.

/                        what runs where
/m/{model}               a model
/m/{model}/{version}     a version, by label or number
/register                a new version; /register/{model}/{version} its files, until they are fixed
/deploy/{model}          put a version into service (?version=, ?environment=)
/operation/{id}          how far that has come
/rollback/{model}/{environment}
/undeploy/{model}/{environment}
/edit/{model}            what may change of a model; /edit/{model}/{version} of a version
/history                 the changes of all models; /history/{commit} one of them
/moment                  which moment to show; it leads on to any page (?where=) as it was
/compare                 two moments (?from=, ?to=) or two versions (?this=, ?that=)
/environments            where versions run; /environments/{environment} one of them, and
                         /environments/{environment}/{model} what of a model is there
/delete-environment/{environment}
/rules/{environment}     who may change what runs there, and when
/delete/{model}          what would go with it; /delete/{model}/{version}
/access                  who may what; /access/account/{account}, /access/team/{team}, and who has
                         which role: /access/environment/{environment}, /access/model/{model}
/proposals               what waits for approval; /proposals/{id} one of them
/reviews/{id}            what was done with the break-glass role, and what others say of it
/policies                rules that hold everywhere; /policies/{name} one of them
/who-served              what served a model at a time (?model=, ?time=)
/settings                how this server is set up
/webhooks                who is told of what happens; /webhooks/{webhook} what became of it
/checkpoints             what was signed about the history
/you                     by which name your changes go, and your tokens
/live                    a stream that says when something was recorded
/static/{file}           styles and scripts

The first segment says the kind of page and what follows are names, so that no name
can be taken for a page. `/models` is the plain API's.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

NAVIGATION = (
    ("Overview", "/"),
    ("History", "/history"),
    ("Proposals", "/proposals"),
    ("Policies", "/policies"),
    ("Environments", "/environments"),
    ("Access", "/access"),
    ("Settings", "/settings"),
)


def address(*segments: str, query: Mapping[str, object] | None = None) -> str:
    """`/` and the segments, each quoted whole; what is None or "" in the query is left out."""
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    kept = {key: value for key, value in (query or {}).items() if value not in (None, "")}
    return f"{path}?{urlencode(kept, doseq=True)}" if kept else path
