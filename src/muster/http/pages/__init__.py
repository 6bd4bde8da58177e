"""Muster's pages: what people see who type no command.

How a page is made
------------------
A page is three files: a handler of a few lines (`model.py`), the values that it
shows (`model_view.py`: frozen dataclasses made from the service layer, no HTML), and
a template (`templates/model.html`, which extends `base.html` and builds on the macros
of `parts.html`). Add the handler to `routes()` below, and its address to `links.py`
if other pages link to it.

    @get("/m/{model:str}")
    async def model(page: Viewed, model: InPath) -> Response[bytes]:
        return await page.shown("model.html", partial(model_view, page, model))

`page` (`page.Page`) is what every page knows: the services, who looks, and the moment
that is shown. Its view is made in the pool of reads, then the template is rendered
with `page` and `view`.

Addresses are made by `page.to("m", name, "v1")`, never written into a template:
it quotes names and keeps the moment of a past page. Times go through `page.when`,
so that ages count from the moment that is shown; commits through `page.mark`.

Past moments: `?at=` (a time or a commit) makes `page.at` the change that was the
newest then, else it is None. A view reads through `services.past` in that case; a
template leaves out every write control: `{% if not page.at %}`.

Forms that write are POST, hold `{{ parts.token(page) }}` and reach a handler through
the dependency `posted` (`forms.Posted`), which has checked the token. It writes with
`page.submit` and answers `page.after(address, recorded)`: 303 to a page that
shows, in its status region, what was recorded. A handler that shows its form again
with what was wrong (all fields at once, what was typed kept) wraps its work in
`forms.or_again`. A form that only asks is GET and holds `{{ parts.moment(page) }}`.

Errors: a page raises the domain's errors and catches none; `errors.py` shows them as
a page to who asks for HTML, with the same status as the API.

Script only adds. `static/` files go out under an address that holds their digest
(`{{ asset("muster.js") }}`); no page has inline script or style, see `security.py`.
"""

from __future__ import annotations

from litestar import Router
from litestar.di import Provide

from muster.http.pages import (
    access,
    assets,
    checkpoints,
    compare,
    configuration,
    deletion,
    deploy,
    edit,
    edit_version,
    environments,
    files,
    history,
    live,
    login,
    model,
    moment,
    operation,
    overview,
    place,
    policies,
    proposals,
    register,
    rollback,
    rules,
    served,
    tokens,
    version,
    webhooks,
    you,
)
from muster.http.pages.errors import answered_page
from muster.http.pages.forms import posted
from muster.http.pages.page import page_of

_PARTS = (
    assets,
    compare,
    live,
    overview,
    model,
    version,
    deploy,
    operation,
    rollback,
    register,
    files,
    history,
    moment,
    environments,
    place,
    edit,
    edit_version,
    deletion,
    configuration,
    proposals,
    policies,
    served,
    you,
    login,
    access,
    tokens,
    rules,
    webhooks,
    checkpoints,
)


def router() -> Router:
    """All pages, at the server's root."""
    return Router(
        "/",
        route_handlers=[handler for part in _PARTS for handler in part.routes()],
        dependencies={"page": Provide(page_of), "posted": Provide(posted)},
        exception_handlers={Exception: answered_page},
        include_in_schema=False,
    )
