-- name: tell_host
-- Says how this host fares, and whether nothing was known of it: then its sign is gone too, unless it arrives and has just left it. Served by the primary key.
insert into host_standing (id, name, process_id, version, began_at, told_at, verdict, levels, connections, hears_by, has_sign)
values (%(id)s, %(name)s, %(process_id)s, %(version)s, %(began_at)s, now(), %(verdict)s, %(levels)s::jsonb, %(connections)s, %(hears_by)s, %(has_sign)s and %(arrives)s)
on conflict (id) do update
set told_at = excluded.told_at, verdict = excluded.verdict, levels = excluded.levels, connections = excluded.connections, has_sign = %(has_sign)s
returning xmax = 0 as is_new

-- name: elect_host
-- Elects this host where nobody is, where it is already, or where whoever was has not asked again in time; no row when another is. Served by the primary key.
insert into election as e (name, host_id, until_at)
values (%(name)s, %(id)s, now() + %(lasts)s::interval)
on conflict (name) do update
set host_id = excluded.host_id, until_at = excluded.until_at
where e.host_id = excluded.host_id or e.until_at < excluded.until_at - %(lasts)s::interval
returning name

-- name: give_up_election
-- This host ends: another may be elected at once. Served by the primary key.
delete from election where name = %(name)s and host_id = %(id)s

-- name: list_hosts
-- Every host that is not forgotten, who told last first, whether that is lately, and which one is elected. Reads the table, which is a row a process; at most 64:
-- whoever asks has just told, so it is always among them.
select h.id::text as id, h.name, h.process_id, h.version, h.began_at, h.told_at, h.verdict, h.levels::text as levels, h.connections, h.hears_by, h.has_sign,
    h.told_at > now() - %(alive)s::interval as is_alive,
    exists (select from election e where e.name = %(election)s and e.host_id = h.id and e.until_at > now()) as is_elected
from host_standing h
order by h.told_at desc, h.id
limit 64

-- name: forget_hosts
-- Forgets hosts that have told nothing for long. Reads the table, which is a row a process.
delete from host_standing where told_at < now() - %(forgotten)s::interval
returning id::text as id

-- name: forget_host
-- This host ends. Served by the primary key.
delete from host_standing where id = %(id)s

-- name: hold_arrivals
-- Hosts arrive one after another: whoever comes second sees the first.
select pg_advisory_xact_lock(hashtextextended('rightlevel.hosts', 0)) is null as held
