"""The tests; `make test` runs them, `make soak` the long ones."""
