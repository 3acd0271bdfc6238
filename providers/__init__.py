"""One module for each type of credential; pure outside effects, with no table, clock or UI of their own."""
