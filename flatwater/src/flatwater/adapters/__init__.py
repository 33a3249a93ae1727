"""What SQLAlchemy, asyncpg, psycopg and psycopg2 tell, written into a `flatwater.ledger.Ledger`; each imports its library only when it is used."""
