-- name: resources
-- Resources in the order of their subjects, levels and making, with their views. Served by resource_by_subject and the primary keys.
--! plan each time
select r.id, r.kind, r.title, r.words, r.subject::text as subject, fl.code as level_from, tl.code as level_to, r.url, r.file_name, r.media_type,
    r.size_bytes, coalesce((select sum(v.views) from resource_view v where v.resource_id = r.id and v.on_day > %(since)s::date), 0)::integer as views,
    r.version, r.deleted_at is not null as is_deleted, r.created_at
from resource r
left join scale sc on sc.subject = r.subject and sc.is_default
left join scale_level fl on fl.scale_id = sc.id and fl.rank = r.rank_from
left join scale_level tl on tl.scale_id = sc.id and tl.rank = r.rank_to
where true
    and ((r.deleted_at is not null) = %(deleted)s::boolean or %(deleted)s::boolean is null)
    and (r.id = %(resource_id)s::bigint or %(resource_id)s::bigint is null)
    and (r.subject = %(subject)s::subject or r.subject is null or %(subject)s::subject is null)
    and (r.rank_from is null or %(rank)s::smallint between r.rank_from and r.rank_to or %(rank)s::smallint is null)
    and (r.id < %(after_id)s::bigint or %(after_id)s::bigint is null)
order by r.id desc
limit %(rows)s
--? for_update: for update of r

-- name: hold_library
-- Lets one writer at a time add to the library, so that its bounds hold.
select pg_advisory_xact_lock(hashtextextended('rightlevel.resources', 0)) is null as held

-- name: measure
-- How much the library holds: rows in use, and the bytes of every file that is still there, each once.
select (select count(*) from resource where deleted_at is null)::integer as resources,
    coalesce((select sum(f.size_bytes) from (select distinct on (sha256) size_bytes from resource where sha256 is not null order by sha256) f), 0)::bigint as size_bytes,
    exists (select 1 from resource where sha256 = %(sha256)s) as has_file

-- name: insert_resource
-- Adds a resource.
insert into resource (kind, title, words, subject, rank_from, rank_to, url, file_name, media_type, size_bytes, sha256, created_at, created_by)
values (%(kind)s, %(title)s, %(words)s, %(subject)s::subject, %(rank_from)s, %(rank_to)s, %(url)s, %(file_name)s, %(media_type)s, %(size_bytes)s,
    %(sha256)s, %(now)s, %(person_id)s)
returning id

-- name: change_resource
-- Changes what a resource says; no row when it is another version by now. Served by the primary key.
update resource
set title = %(title)s, words = %(words)s, subject = %(subject)s::subject, rank_from = %(rank_from)s, rank_to = %(rank_to)s, url = %(url)s,
    version = version + 1
where id = %(resource_id)s and version = %(version)s and deleted_at is null

-- name: delete_resource
-- Takes a resource out of use. Served by the primary key.
update resource
set deleted_at = %(now)s, deleted_by = %(person_id)s, delete_reason = %(reason)s, version = version + 1
where id = %(resource_id)s and deleted_at is null

-- name: restore_resource
-- Brings a resource back while its file is still there. Served by the primary key.
update resource
set deleted_at = null, deleted_by = null, delete_reason = null, version = version + 1
where id = %(resource_id)s and deleted_at is not null and (kind <> 'file' or sha256 is not null)

-- name: forget_files
-- Lets go of the files of what was deleted long ago; the digests that nothing refers to any more. At most 50 at a time.
with gone as (
    select r.id, r.sha256
    from resource r
    where r.deleted_at < %(before)s and r.sha256 is not null
    order by r.deleted_at
    limit 50
), forgotten as (
    update resource r
    set sha256 = null, size_bytes = null
    from gone
    where r.id = gone.id
    returning gone.sha256
)
select distinct f.sha256
from forgotten f
where not exists (select 1 from resource o where o.sha256 = f.sha256 and o.id not in (select id from gone))

-- name: file_of
-- The file of a resource in use. Served by the primary key.
select file_name, media_type, size_bytes, sha256
from resource
where id = %(resource_id)s and deleted_at is null and sha256 is not null

-- name: count_view
-- Counts one opening; one row a resource and day, those older than 400 days swept with the day's first. Served by the primary key.
with counted as (
    insert into resource_view (resource_id, on_day, views)
    values (%(resource_id)s, %(today)s, 1)
    on conflict (resource_id, on_day) do update set views = resource_view.views + 1
    returning views
)
delete from resource_view
where resource_id = %(resource_id)s and on_day <= %(since)s::date and (select views from counted) = 1
