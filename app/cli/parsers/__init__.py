"""What can be typed, a module a group of commands. Only the group that was named is built at a start."""
