"""What a person sees: one module a screen. Screens talk to the service alone and hold no rule."""
