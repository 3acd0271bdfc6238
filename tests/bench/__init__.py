"""What Keyturn costs, as ratios to floors measured in the same run. Nothing here is asserted by the tests."""
