"""What `keyturn doctor` looks at. Nothing here changes anything."""
