-- name: list_places
-- Places by name, below one place or everywhere. Served by place_by_parent.
--! plan each time
select id, parent_id, kind::text as kind, code, name_local, name_latin, version, closed_at is not null as is_closed
from place
where true
    and (deleted_at is not null) = %(deleted)s::boolean
    and ((closed_at is not null) = %(closed)s::boolean or %(closed)s::boolean is null)
    and (parent_id = %(parent_id)s::bigint or %(parent_id)s::bigint is null)
    and (parent_id is null or not %(roots)s::boolean)
    and (kind = %(kind)s::place_kind or %(kind)s::place_kind is null)
    and (lower(name_local) like %(search)s::text or lower(name_latin) like %(search)s or lower(code) like %(search)s or %(search)s is null)
    and ((lower(name_local), id) > (select lower(k.name_local), k.id from place k where k.id = %(after_id)s::bigint) or %(after_id)s::bigint is null)
order by lower(name_local), id
limit %(rows)s

-- name: read_place
-- One place. Served by the primary key.
select id, parent_id, kind::text as kind, code, name_local, name_latin, version, deleted_at is not null as is_deleted,
    closed_at, close_reason
from place
where id = %(place_id)s
--? for_update: for update

-- name: followed_by
-- The places that follow a closed one, by changes that stand. Served by boundary_change_place_by_place.
select p.id, p.kind::text as kind, p.name_local, p.name_latin
from boundary_change_place n
join boundary_change b on b.id = n.boundary_change_id and b.undone_at is null
join place p on p.id = n.successor_id
where n.place_id = %(place_id)s
order by lower(p.name_local), p.id
limit 100

-- name: follows
-- The places that one follows, by changes that stand. Served by boundary_change_place_by_successor.
select p.id, p.kind::text as kind, p.name_local, p.name_latin
from boundary_change_place n
join boundary_change b on b.id = n.boundary_change_id and b.undone_at is null
join place p on p.id = n.place_id
where n.successor_id = %(place_id)s
order by lower(p.name_local), p.id
limit 100

-- name: has_past
-- Whether a school ever stood in a place, anything was counted there, or it has part in a change of places. Served by school_place_by_place and others.
select exists (select 1 from school_place m where m.place_id = %(place_id)s)
    or exists (select 1 from place_count c where c.place_id = %(place_id)s and c.absent + c.refused + c.went + c.rank_1 + c.rank_2 + c.rank_3
        + c.rank_4 + c.rank_5 + c.rank_6 + c.rank_7 + c.rank_8 + c.rank_9 <> 0)
    or exists (select 1 from boundary_change_place n where n.place_id = %(place_id)s or n.successor_id = %(place_id)s) as has_past

-- name: close_place
-- Closes a place that nothing hangs on any more.
update place
set closed_at = %(now)s, closed_by = %(by)s, close_reason = %(reason)s, version = version + 1
where id = %(place_id)s and closed_at is null and deleted_at is null

-- name: reopen_place
-- Opens a closed place again.
update place
set closed_at = null, closed_by = null, close_reason = null, version = version + 1
where id = %(place_id)s and closed_at is not null and deleted_at is null

-- name: lineage_of
-- The way from the country to a place, bounded by the depth of the tree. Served by the primary key.
select above.id, above.kind::text as kind, above.name_local, above.name_latin
from place p
cross join unnest(p.lineage) with ordinality as step (id, depth)
join place above on above.id = step.id
where p.id = %(place_id)s
order by step.depth
limit 20

-- name: insert_place
-- Makes a place.
insert into place (parent_id, kind, code, name_local, name_latin)
values (%(parent_id)s, %(kind)s::place_kind, %(code)s, %(name_local)s, %(name_latin)s)
returning id

-- name: change_place
-- Changes a place if it is still the version that was read.
update place
set code = %(code)s, name_local = %(name_local)s, name_latin = %(name_latin)s, version = version + 1
where id = %(place_id)s and version = %(version)s and deleted_at is null

-- name: count_live_below
-- Whether anything live hangs on a place. Served by place_by_parent and school_by_place.
select (select count(*) from place where parent_id = %(place_id)s and deleted_at is null and closed_at is null)
    + (select count(*) from school where place_id = %(place_id)s and deleted_at is null) as live

-- name: delete_place
-- Takes a place out of use, restorably.
update place
set deleted_at = %(now)s, deleted_by = %(by)s, delete_reason = %(reason)s, version = version + 1
where id = %(place_id)s and deleted_at is null

-- name: restore_place
-- Brings a place back.
update place
set deleted_at = null, deleted_by = null, delete_reason = null, version = version + 1
where id = %(place_id)s and deleted_at is not null
