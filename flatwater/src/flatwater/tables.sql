-- What flatwater keeps in a service's own database. A service takes the parts it uses into its migrations.

-- outbox: what was made stale, read by every process each second. Lost in a crash, as every connection is: all then forget everything.
create unlogged table flatwater_outbox (
    id bigint generated always as identity primary key,
    transaction xid8 not null default pg_current_xact_id(),
    payload text not null,
    at timestamptz not null default now()
);
create index flatwater_outbox_by_transaction on flatwater_outbox (transaction);

-- rate_limit: one row for each identity and rule, updated in place. Room on each page, and no index on the time, keep updates in place (HOT).
create unlogged table flatwater_rate_limit (
    rule text not null,
    identity text not null,
    arrival_at timestamptz not null,
    primary key (rule, identity)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
