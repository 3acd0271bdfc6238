"""What every screen looks like: one SVG for each state, size and theme."""
