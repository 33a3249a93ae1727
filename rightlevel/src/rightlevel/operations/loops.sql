-- name: tell_loops
-- Says how the loops of a process fare. Served by the primary key.
insert into loop_standing (host, process_id, name, began_at, told_at, period_s, state, turns, failures, failures_in_a_row, missed_turns,
    last_success_at, last_error)
select %(host)s, %(process_id)s, l.name, %(began_at)s, now(), l.period_s, l.state, l.turns, l.failures, l.failures_in_a_row, l.missed_turns,
    l.last_success_at, l.last_error
from jsonb_to_recordset(%(loops)s::jsonb) as l (name text, period_s float8, state text, turns bigint, failures bigint, failures_in_a_row integer,
    missed_turns integer, last_success_at timestamptz, last_error text)
on conflict (host, process_id, name) do update
set began_at = excluded.began_at, told_at = excluded.told_at, period_s = excluded.period_s, state = excluded.state, turns = excluded.turns,
    failures = excluded.failures, failures_in_a_row = excluded.failures_in_a_row, missed_turns = excluded.missed_turns,
    last_success_at = excluded.last_success_at, last_error = excluded.last_error

-- name: forget_loops
-- Forgets the loops that a process has no more, and processes that have told nothing for long. Reads the table, which is a few rows.
delete from loop_standing
where (host = %(host)s and process_id = %(process_id)s and name <> all(%(names)s::text[])) or told_at < now() - %(forgotten)s::interval
