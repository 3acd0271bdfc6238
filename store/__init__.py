"""Tables, sealing and migrations: the only place that writes SQL against our own data."""
