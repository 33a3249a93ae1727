-- name: hold_queue
-- Those who queue an import come one after another, so that no more wait than may.
select pg_advisory_xact_lock(hashtextextended('rightlevel.import_queue', 0)) is null as held

-- name: count_waiting
-- How many imports wait for their turn, on whichever host they were sent. Served by import_run_under_way, which holds few.
select count(*) as n from import_run where state = 'waiting'

-- name: claim_run
-- Takes the import that has waited longest into this host's hand: one that nobody has, or one of which nobody has heard for long and at which nobody is
-- at work (its transaction holds a lock of its name). What one person sent comes in its order: schools before their children. Several hosts look at once
-- and take different ones. Served by import_run_under_way, which holds few.
with waiting as materialized (
    select u.id, u.started_at
    from import_run u
    where u.state in ('waiting', 'reading', 'saving') and u.ended_at is null and u.person_id is not null and not u.is_to_stop
        and (u.undoes is not null or u.file is not null) and u.attempts < %(most)s
        and (u.owner is null and u.state = 'waiting' or u.owner is not null
            and u.seen_at < clock_timestamp() - make_interval(secs => case when u.owner = any(%(gone)s::uuid[]) then %(gone_s)s else %(unseen_s)s end))
        and not exists (
            select from import_run e
            where e.state in ('waiting', 'reading', 'saving') and e.person_id = u.person_id and (e.started_at, e.id) < (u.started_at, u.id))
    order by u.started_at, u.id
    limit 16
    for update skip locked),
free as materialized (
    select w.id
    from waiting w
    where pg_try_advisory_xact_lock(hashtextextended('import ' || w.id::text, 0))
    order by w.started_at, w.id
    limit 1)
update import_run r
set owner = %(owner)s::uuid, state = 'reading', attempts = r.attempts + 1, rows_read = 0, bytes_done = 0, seen_at = clock_timestamp()
from free f, person p
where r.id = f.id and p.id = r.person_id
returning r.id::text as id, r.kind, r.filename, r.is_dry_run, r.bytes_total, r.leaves_bad_rows, r.mapping, r.source, r.undoes::text as undoes,
    r.applies::text as applies, coalesce(r.file::text, '') as file, r.address, r.attempts, p.id as person_id, p.username, p.display_name,
    p.role::text as role, p.language

-- name: try_to_hold_run
-- Whether nobody else is at work on this import: who was, and whose process ended, may still have a statement running.
select pg_try_advisory_xact_lock(hashtextextended('import ' || %(id)s, 0)) as is_held

-- name: is_in_hand
-- Whether an import is still this host's to do, asked by who holds it: it has not ended, and no other took it. Served by the primary key.
select exists (select from import_run where id = %(id)s::uuid and ended_at is null and owner is not distinct from %(owner)s::uuid) as is_in_hand

-- name: note_progress
-- How far a run is; nothing of one that has ended or that another took. Served by the primary key.
update import_run
set state = %(state)s::import_state, rows_read = %(rows_read)s, bytes_done = %(bytes_done)s, bytes_total = %(bytes_total)s,
    seen_at = clock_timestamp()
where id = %(id)s::uuid and ended_at is null and owner is not distinct from %(owner)s::uuid
returning is_to_stop

-- name: give_run_back
-- Lets an import wait again that this host can't go on with, or ends it where somebody asked; in order, it was no attempt. A null gives back all
-- that the host has in hand. Served by import_run_under_way, which holds few.
update import_run
set owner = null, state = case when is_to_stop then 'interrupted' else 'waiting' end::import_state, ended_at = case when is_to_stop then %(now)s::timestamptz end,
    message = case when is_to_stop then %(message)s end, attempts = attempts - case when %(in_order)s then 1 else 0 end, rows_read = 0, bytes_done = 0,
    seen_at = clock_timestamp()
where state in ('waiting', 'reading', 'saving') and ended_at is null and owner = %(owner)s::uuid and (id = %(id)s::uuid or %(id)s::uuid is null)

-- name: ask_to_stop
-- Somebody asks that an import ends: one that waits has ended with it, one at work is told within a second. Served by the primary key.
update import_run
set is_to_stop = true, state = case when state = 'waiting' then 'interrupted' else state end,
    ended_at = case when state = 'waiting' then %(now)s else ended_at end, message = case when state = 'waiting' then %(message)s else message end
where id = %(id)s::uuid and ended_at is null
returning state::text as state

-- name: keep_waiting_runs
-- Says that what waits for its turn is not lost: hosts of an older version would take it for left. Served by import_run_under_way.
update import_run
set seen_at = clock_timestamp()
where state = 'waiting' and owner is null and not is_to_stop and person_id is not null and attempts < %(most)s and seen_at < clock_timestamp() - make_interval(secs => %(every_s)s)

-- name: end_left_runs
-- Marks the runs that nobody goes on with: of which nobody has heard for long, and that were begun too often, were to be stopped, came by the command line
-- or have nothing to go on with. Served by import_run_under_way.
update import_run
set state = 'interrupted', ended_at = %(now)s, message = case
        when is_to_stop then %(stopped)s
        when attempts >= %(most)s then 'The program stopped several times while it worked on this file; nothing of it was saved.'
        else 'The program stopped before this import ended; nothing of it was saved.' end
where state in ('waiting', 'reading', 'saving') and seen_at < clock_timestamp() - make_interval(secs => %(unseen_s)s)
    and (attempts >= %(most)s or is_to_stop or person_id is null or (owner is null and state <> 'waiting') or (file is null and undoes is null))
