"""What people can do, by subject. The service is the door to it."""
