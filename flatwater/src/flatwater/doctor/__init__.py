"""The doctor: looks at a PostgreSQL server through one careful connection, says what is wrong and how to cure it."""
