"""What proves who somebody is, kept in the home's `secrets/` and never in the history."""
