"""The loop as a service of the operating system: its log lines, signals, readiness, settings, health and metrics."""
