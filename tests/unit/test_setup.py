"""What pages say of settings: never a secret."""

from pathlib import Path

import pytest

from muster.bootstrap.setup import shown


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("port", 5000, "5000"),
        ("standby", True, "yes"),
        ("home", Path("/srv/registry"), "/srv/registry"),
        ("allowed_hosts", ("a.example", "b.example"), "a.example, b.example"),
        ("url", None, ""),
        ("database", "postgresql://muster:hunter2@db/registry", "postgresql://…@db/registry"),
        ("webhook_secret", "hunter2", "set, not shown"),
        ("webhook_secret", "", ""),
        ("access_key", "hunter2", "set, not shown"),
        ("max_body_bytes", 1, "1"),
    ],
)
def test_a_value_is_shown_and_of_a_secret_only_that_there_is_one(name: str, value: object, said: str) -> None:
    assert shown(name, value) == said
