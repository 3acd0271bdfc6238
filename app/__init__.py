"""Keyturn: rotates credentials, so that the applications using them never see one that does not work."""

__version__ = "0.1.0"
