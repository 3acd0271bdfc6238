"""Telling others what happened: hooks, how each kind is carried out, and the loop that empties the outbox."""
