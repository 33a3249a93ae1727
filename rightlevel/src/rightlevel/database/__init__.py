"""The database room: a private PostgreSQL or an existing one, the schema and its migrations."""
