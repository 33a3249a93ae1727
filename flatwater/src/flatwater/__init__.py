"""flatwater keeps a Python service on PostgreSQL flat: bounded memory, connections and time."""
