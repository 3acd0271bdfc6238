"""Every rotation at a glance."""

from screens.dashboard.screen import DashboardScreen

__all__ = ["DashboardScreen"]
