"""The tree of commands."""

from __future__ import annotations

import typer

from muster.cli import (
    access,
    admin,
    banning,
    describing,
    environments,
    evidence,
    exporting,
    history,
    keeping,
    moving,
    past,
    policies,
    proof,
    proposals,
    pushing,
    releasing,
    requirements,
    running,
    versions,
    webhooks,
)
from muster.cli.call import root

app = typer.Typer(name="muster", no_args_is_help=True, pretty_exceptions_enable=False)
root(app)
running.add(app)
releasing.add(app)
environments.add(app)
proposals.add(app)
versions.add(app)
pushing.add(app)
describing.add(app)
evidence.add(app)
banning.add(app)
requirements.add(app)
history.add(app)
exporting.add(app)
past.add(app)
moving.add(app)
policies.add(app)
webhooks.add(app)
access.add(app)
admin.add(app)
proof.add(app)
keeping.add(app)
