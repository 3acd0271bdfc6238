"""How published values reach programs: environments, files, and what SDKs ask for."""
