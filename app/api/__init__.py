"""The HTTP API: a thin door to the service. FastAPI is imported here alone."""
