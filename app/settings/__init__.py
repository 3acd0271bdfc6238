"""What can be set, and where it comes from: a flag, an environment variable, the file, or the default."""

from app.settings.loading import Settings, load_settings

__all__ = ["Settings", "load_settings"]
