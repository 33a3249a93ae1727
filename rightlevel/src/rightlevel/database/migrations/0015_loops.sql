-- What runs in the background says how it fares, the audit is kept by months, and repeated denied attempts are counted.

-- The audit by months -------------------------------------------------------------------------------------------------------
-- Nothing is moved: the table of today becomes the default partition as it stands, and its rows leave it by retention, in batches.
-- But for one look through it, for the index of counted rows, this takes as long for ten million rows as for none.

-- From PostgreSQL 18 on NOT NULL constraints have names, which the new tables are to get: they are put aside and given back.
create function pg_temp.name_not_nulls(renamed regclass, pattern text, written text) returns void language plpgsql as $$
declare
    found text;
begin
    for found in select conname from pg_constraint where contype = 'n' and conrelid = renamed and conname <> 'audit_entry_rest_id_not_null'
    loop
        execute format('alter table %s rename constraint %I to %I', renamed, found, replace(found, pattern, written));
    end loop;
end $$;

alter table audit_entry rename to audit_entry_rest;
select pg_temp.name_not_nulls('audit_entry_rest', 'audit_entry_', 'audit_entry_rest_');
alter table audit_entry_rest
    add column times integer not null default 1 constraint audit_entry_times_are_counted check (times >= 1),
    add column last_at timestamptz,
    add column repeat_key uuid,
    alter column id drop identity;
alter index audit_entry_pkey rename to audit_entry_rest_pkey;
alter index audit_entry_by_time rename to audit_entry_rest_at_id_idx;
alter index audit_entry_by_person rename to audit_entry_rest_person_id_id_idx;
alter index audit_entry_by_resource rename to audit_entry_rest_resource_resource_id_id_idx;
alter index audit_entry_denied rename to audit_entry_rest_id_idx;
create unique index audit_entry_rest_at_repeat_key_idx on audit_entry_rest (at, repeat_key) where repeat_key is not null;

create table audit_entry (
    id bigint generated always as identity,
    at timestamptz not null default now(),
    person_id bigint constraint audit_entry_person_id_fkey references person,
    role role,
    action text not null,
    resource text not null,
    resource_id text,
    outcome text not null constraint audit_entry_outcome_is_known check (outcome in ('done', 'denied', 'failed')),
    before jsonb,
    after jsonb,
    reason text,
    address text,
    times integer not null default 1 constraint audit_entry_times_are_counted check (times >= 1),
    last_at timestamptz,
    repeat_key uuid
) partition by range (at);
create index audit_entry_by_time on audit_entry (at desc, id desc);
create index audit_entry_by_person on audit_entry (person_id, id desc);
create index audit_entry_by_resource on audit_entry (resource, resource_id, id desc);
create index audit_entry_denied on audit_entry (id desc) where outcome <> 'done';
create unique index audit_entry_counts_repeats on audit_entry (at, repeat_key) where repeat_key is not null;
select setval(pg_get_serial_sequence('audit_entry', 'id'), coalesce(max(id), 1), count(*) > 0) from audit_entry_rest;
select pg_temp.name_not_nulls('audit_entry_rest', 'audit_entry_rest_', 'audit_entry_');
alter table audit_entry attach partition audit_entry_rest default;

-- Readings by months, in the same way -----------------------------------------------------------------------------------------

alter table reading_history rename to reading_history_rest;
select pg_temp.name_not_nulls('reading_history_rest', 'reading_history_', 'reading_history_rest_');
alter index reading_history_pkey rename to reading_history_rest_pkey;
create table reading_history (
    at timestamptz primary key,
    worst text not null,
    connections integer,
    memory_bytes bigint,
    query_p95_s double precision,
    rate_limit_rows bigint,
    cache_hit_rate double precision
) partition by range (at);
select pg_temp.name_not_nulls('reading_history_rest', 'reading_history_rest_', 'reading_history_');
alter table reading_history attach partition reading_history_rest default;

-- Makes a month's partition ahead of its time: false where there is one, or where its rows lie in the default partition already (and stay there).
-- Nobody waits for it for more than a second: it is tried again.
create function make_month(parent regclass, month date) returns boolean language plpgsql set lock_timeout = '1s' as $$
declare
    starts_at timestamptz := date_trunc('month', month)::timestamp at time zone 'UTC';
    ends_at timestamptz := (date_trunc('month', month) + interval '1 month')::timestamp at time zone 'UTC';
    name text := parent::text || to_char(month, '_YYYY_MM');
    is_taken boolean;
begin
    if to_regclass(quote_ident(name)) is not null or not pg_try_advisory_xact_lock(hashtext('make_month ' || parent::text)) then
        return false;
    end if;
    execute format('select exists (select from %I where at >= $1 and at < $2)', parent::text || '_rest')
        into is_taken using starts_at, ends_at;
    if is_taken then
        return false;
    end if;
    execute format('create table %I (like %I including defaults including constraints including indexes)', name, parent::text || '_rest');
    execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, name, starts_at, ends_at);
    return true;
end $$;

-- Takes away a month's partition that holds exactly the rows that were counted (null for: whatever it holds); false where it holds others.
create function drop_month(parent regclass, month date, counted bigint) returns boolean language plpgsql set lock_timeout = '1s' as $$
declare
    name text := parent::text || to_char(month, '_YYYY_MM');
    found bigint;
begin
    if not exists (select from pg_inherits where inhparent = parent and inhrelid = to_regclass(quote_ident(name))) then
        return false;
    end if;
    if counted is not null then
        execute format('lock table %I in exclusive mode', name);
        execute format('select count(*) from %I', name) into found;
        if found <> counted then
            return false;
        end if;
    end if;
    execute format('drop table %I', name);
    return true;
end $$;

-- What runs in the background -------------------------------------------------------------------------------------------------

-- How each loop of each process fares, told every minute and swept a day after a process has told nothing more: some 25 rows a process.
create table loop_standing (
    host text not null constraint loop_standing_host_is_short check (length(host) <= 200),
    process_id integer not null,
    name text not null constraint loop_standing_name_is_short check (length(name) <= 200),
    began_at timestamptz not null,
    told_at timestamptz not null,
    period_s double precision,
    state text not null,
    turns bigint not null,
    failures bigint not null,
    failures_in_a_row integer not null,
    missed_turns integer not null,
    last_success_at timestamptz,
    last_error text not null,
    primary key (host, process_id, name)
);

-- What has ended is swept ---------------------------------------------------------------------------------------------------------

create index api_token_by_expiry on api_token (expires_at);
