"""Other people's protocols, each a translation to the same changes that our own API makes."""
