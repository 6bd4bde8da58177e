"""What is kept of webhooks and of what they are told: the port `Outbox` in one SQLite file."""
