"""Muster: registers AI models, deploys them, rolls them back, and keeps every change in Git."""
