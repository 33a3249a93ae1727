-- name: notify
-- Tells every listening process when this transaction commits.
select pg_notify(%(channel)s, %(payload)s)

-- name: tell_outbox
-- Leaves word for every process that reads the outbox.
insert into flatwater_outbox (payload) values (%(payload)s)

-- name: read_outbox
-- What was said by transactions that could not be seen at the last reading, and where the next reading begins.
-- Numbers are given before commits, so a number says nothing about order: a reading begins at the oldest transaction that still ran.
-- Served by flatwater_outbox_by_transaction.
select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as oldest_running, o.id, o.payload
from (select 1) as always
left join lateral (
    select id, payload from flatwater_outbox where transaction >= %(since)s::text::xid8 order by id limit %(rows)s
) o on true

-- name: sweep_outbox
-- Takes out what everybody has read long ago. Served by the primary key.
delete from flatwater_outbox
where id in (
    select id from flatwater_outbox where at < now() - make_interval(secs => %(kept_s)s) order by id limit %(rows)s for update skip locked)
