"""The wizard that sets a rotation up."""

from screens.wizard.screen import WizardScreen

__all__ = ["WizardScreen"]
