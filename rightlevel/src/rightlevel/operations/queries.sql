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

-- name: count_connections
-- How many connections this database has, ours and others'.
select count(*) as connections
from pg_stat_activity
where datname = current_database() and backend_type = 'client backend'
