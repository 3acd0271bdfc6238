"""What the suite has to know of each rotation type of our own."""
