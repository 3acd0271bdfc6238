"""The journaled rotation: dates, one attempt, the loop."""
