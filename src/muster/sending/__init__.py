"""Sending to webhooks: where they may go, how a message is signed, and the call itself."""
