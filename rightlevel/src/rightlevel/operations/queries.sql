-- name: sweep_held_forms
-- Removes forms that nobody came back for, one batch. Served by held_form_by_expiry.
delete from held_form
where secret_hash in (
    select secret_hash from held_form
    where expires_at < %(now)s
    order by expires_at
    limit %(rows_per_batch)s
    for update skip locked)

-- name: sweep_sessions
-- Removes sessions that ended by age, one batch. Served by person_session_by_expiry.
delete from person_session
where token_hash in (
    select token_hash from person_session
    where expires_at < %(now)s
    order by expires_at
    limit %(rows_per_batch)s
    for update skip locked)

-- name: sweep_receipts
-- Removes answers kept for repeated writes after their time, one batch. Served by write_receipt_by_age.
delete from write_receipt
where write_id in (
    select write_id from write_receipt
    where created_at < %(before)s
    order by created_at
    limit %(rows_per_batch)s
    for update skip locked)

-- name: sweep_failures
-- Removes counts of failed sign-ins that have gone cold, one batch. Served by sign_in_failure_by_age.
delete from sign_in_failure
where (kind, subject) in (
    select kind, subject from sign_in_failure
    where last_failed_at < %(before)s
    order by last_failed_at
    limit %(rows_per_batch)s
    for update skip locked)

-- name: sweep_tokens
-- Removes API tokens that ran out long ago, one batch. Served by api_token_by_expiry.
delete from api_token
where id in (
    select id from api_token
    where expires_at < %(before)s
    order by expires_at
    limit %(rows_per_batch)s
    for update skip locked)

-- name: sweep_exports
-- Removes what is known of files that were taken long ago, one batch. Served by export_run_by_time.
delete from export_run
where id in (
    select id from export_run
    where started_at < %(before)s
    order by started_at
    limit %(rows_per_batch)s
    for update skip locked)

-- name: sweep_import_changes
-- Removes what imports of long ago changed, as it was before, one batch: they are undone no more. Served by import_run_by_time and the primary key.
delete from import_changed
where (run_id, number) in (
    select c.run_id, c.number
    from import_run r
    join import_changed c on c.run_id = r.id
    where r.started_at < %(before)s
    limit %(rows_per_batch)s)

-- name: sweep_import_additions
-- The same of what they added.
delete from import_added
where (run_id, number) in (
    select a.run_id, a.number
    from import_run r
    join import_added a on a.run_id = r.id
    where r.started_at < %(before)s
    limit %(rows_per_batch)s)

-- name: sweep_import_previews
-- Removes what dry runs found, a day later or when newer ones are there, one batch. Served by import_run_by_time and the primary key.
delete from import_preview
where (run_id, what, row_number) in (
    select p.run_id, p.what, p.row_number
    from import_run r
    join import_preview p on p.run_id = r.id
    where r.is_dry_run and r.ended_at is not null and (r.started_at < %(before)s or r.id not in (
        select n.id from import_run n where n.is_dry_run order by n.started_at desc, n.id desc limit 8))
    limit %(rows_per_batch)s)

-- name: sweep_deliveries
-- Forgets deliveries that ended long ago. Served by webhook_delivery_ended.
delete from webhook_delivery
where id in (select id from webhook_delivery where ended_at < %(before)s order by ended_at limit %(rows_per_batch)s)

-- name: sweep_imports
-- Removes imports that ended long ago, with their faults, one batch. Served by import_run_by_time.
delete from import_run
where id in (
    select id from import_run
    where started_at < %(before)s and ended_at < %(before)s
    order by started_at
    limit %(rows_per_batch)s
    for update skip locked)

-- name: activity
-- What the connections to this database do, but for the one that looks: it is opened for the look and closed after. And how many hosts share it.
select count(*)::int as connections,
    (count(*) filter (where state = 'idle'))::int as idle,
    (count(*) filter (where state like 'idle in transaction%%' and now() - state_change > interval '1 second'))::int as idle_in_transaction,
    coalesce(extract(epoch from max(clock_timestamp() - query_start) filter (where state = 'active')), 0)::float8 as longest_statement_s,
    (select greatest(count(*), 1)::int from host_standing where told_at > now() - interval '60 seconds') as hosts
from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()

-- name: claim_clean_up
-- Begins a clean-up that was last begun before it became due, or that never ended; no row when another process began it. Served by the primary key.
insert into clean_up as c (name, started_at)
values (%(name)s, %(now)s)
on conflict (name) do update
set started_at = %(now)s, ended_at = null
where c.started_at < %(due)s or (c.ended_at is null and c.started_at < %(given_up)s)
returning name

-- name: end_clean_up
-- Keeps what a clean-up did. Served by the primary key.
update clean_up
set ended_at = %(now)s, removed = %(removed)s, batches = %(batches)s, longest_batch_s = %(longest_batch_s)s
where name = %(name)s

-- name: keep_signing_key
-- Keeps a key at the first start; the first one stays.
insert into signing_key (name, value) values (%(name)s, %(value)s) on conflict (name) do nothing

-- name: read_signing_key
-- A key by its name. Served by the primary key.
select value from signing_key where name = %(name)s

-- name: keep_reading
-- Keeps one reading of each five minutes; the first process to come keeps it. Served by the primary key.
insert into reading_history (at, worst, connections, memory_bytes, query_p95_s, rate_limit_rows, cache_hit_rate)
values (%(at)s, %(worst)s, %(connections)s, %(memory_bytes)s, %(query_p95_s)s, %(rate_limit_rows)s, %(cache_hit_rate)s)
on conflict (at) do nothing

-- name: sweep_readings
-- Takes out readings older than thirty days, one batch. Served by the primary key.
delete from reading_history
where at in (select at from reading_history where at < %(before)s order by at limit %(rows_per_batch)s for update skip locked)

-- name: list_readings
-- The worst of each hour or day since a moment, oldest first: at most as many points as a picture shows. Served by the primary key.
select date_bin(make_interval(secs => %(step_s)s), at, timestamptz '2020-01-01') as at, max(connections)::int as connections,
    max(memory_bytes)::bigint as memory_bytes, max(query_p95_s) as query_p95_s
from reading_history
where at >= %(since)s
group by 1
order by 1
limit 800

-- name: sessions_of_the_database
-- Every connection to this database: whose it is, what it does, and since when. Bounded by the server's own bound.
select pid, application_name, coalesce(state, 'background') as state, coalesce(wait_event_type || ' ' || wait_event, '') as waits_for,
    extract(epoch from clock_timestamp() - coalesce(state_change, backend_start))::float8 as for_s
from pg_stat_activity
where datname = current_database() and backend_type = 'client backend'
order by state, for_s desc
limit 100

-- name: sweep_requests
-- Takes out requests to join that nobody answered in time, and decided ones after a year, one batch. Served by join_request_by_age.
delete from join_request
where id in (
    select id from join_request
    where made_at < %(open_before)s and (state = 'open' or decided_at < %(decided_before)s)
    order by made_at
    limit %(rows_per_batch)s
    for update skip locked)

-- name: sweep_codes
-- Takes out one-time codes that ran out, one batch. Served by one_time_code_by_expiry.
delete from one_time_code
where person_id in (select person_id from one_time_code where expires_at < %(now)s order by expires_at limit %(rows_per_batch)s for update skip locked)

-- name: sweep_link_codes
-- Takes out codes for linking devices that ran out, one batch. Served by device_link_code_by_expiry.
delete from device_link_code
where code_hash in (select code_hash from device_link_code where expires_at < %(now)s order by expires_at limit %(rows_per_batch)s for update skip locked)

-- name: keep_backup
-- Notes a backup that was made, and forgets all but the last hundred. Served by backup_by_time.
with forgotten as (
    delete from backup
    where id in (select id from backup order by made_at desc offset 99))
insert into backup (made_at, name, size_bytes, took_s)
values (%(made_at)s, %(name)s, %(size_bytes)s, %(took_s)s)

-- name: newest_backup
-- The last backup. Served by backup_by_time.
select made_at, name, size_bytes, took_s from backup order by made_at desc limit 1
