-- Staying flat -------------------------------------------------------------------------------------------------------------

-- Word to every process of what a commit made stale (flatwater.tables.OUTBOX).
create unlogged table flatwater_outbox (
    id bigint generated always as identity primary key,
    transaction xid8 not null default pg_current_xact_id(),
    payload text not null,
    at timestamptz not null default now()
);
create index flatwater_outbox_by_transaction on flatwater_outbox (transaction);

-- How much of an allowance is used, one row for each identity and rule (flatwater.tables.RATE_LIMIT).
create unlogged table flatwater_rate_limit (
    rule text not null,
    identity text not null,
    arrival_at timestamptz not null,
    primary key (rule, identity)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- When each clean-up last ran: whoever moves the time forward does it, so it is done once however many processes there are.
create table clean_up (
    name text primary key,
    started_at timestamptz not null,
    ended_at timestamptz,
    removed bigint not null default 0,
    batches integer not null default 0,
    longest_batch_s double precision not null default 0
);

-- What this deployment signs with, made at its first start and never shown.
create table signing_key (
    name text primary key,
    value bytea not null constraint signing_key_is_long check (length(value) >= 32)
);
