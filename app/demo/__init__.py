"""`keyturn demo`: everything a first look needs, private to the process and gone when it ends."""
