-- name: count_photos
-- How many photos a visit has. Served by photo_is_once_on_a_visit.
select count(*) from photo where visit_id = %(visit_id)s::uuid and state <> 'removed'

-- name: same_photo
-- The photo of the same content on a visit. Served by photo_is_once_on_a_visit.
select id::text as id, state = 'stored' as is_stored
from photo
where visit_id = %(visit_id)s::uuid and sha256 = %(sha256)s and state <> 'removed'

-- name: take_space
-- Takes space of a school for a photo, if that much is left there and in all. At most one row a school.
insert into photo_space as p (school_id, size_bytes)
select %(school_id)s, %(size_bytes)s
where %(size_bytes)s <= %(most_school)s and (select coalesce(sum(a.size_bytes), 0) from photo_space a) + %(size_bytes)s <= %(most_all)s
on conflict (school_id) do update set size_bytes = p.size_bytes + excluded.size_bytes
where p.size_bytes + excluded.size_bytes <= %(most_school)s

-- name: give_space
-- Gives back what a photo took.
update photo_space set size_bytes = greatest(0, size_bytes - %(size_bytes)s) where school_id = %(school_id)s

-- name: insert_photo
-- Keeps a photo's row, before its bytes are stored.
insert into photo (id, visit_id, school_id, sha256, size_bytes, width, height, keeps_place, created_at, created_by)
values (%(id)s::uuid, %(visit_id)s::uuid, %(school_id)s, %(sha256)s, %(size_bytes)s, %(width)s, %(height)s, %(keeps_place)s, %(now)s,
    %(person_id)s)
on conflict do nothing

-- name: photo_is_stored
-- Says that a photo's bytes are stored.
update photo set state = 'stored' where id = %(id)s::uuid and state = 'storing'

-- name: read_photo
-- One stored photo. Served by the primary key.
select id::text as id, visit_id::text as visit_id, size_bytes, width, height, keeps_place, created_at
from photo
where id = %(photo_id)s::uuid and state = 'stored'

-- name: list_photos
-- The photos of a visit. Served by photo_is_once_on_a_visit; at most five.
select id::text as id, visit_id::text as visit_id, size_bytes, width, height, keeps_place, created_at
from photo
where visit_id = %(visit_id)s::uuid and state = 'stored'
order by created_at, photo.id
limit 5

-- name: list_stored
-- Every photo whose bytes are in the store, by id, so many at a time. Served by the primary key.
select p.id::text as id, p.visit_id::text as visit_id
from photo p
where p.id > %(after)s::uuid and p.state <> 'storing'
order by p.id
limit %(rows)s

-- name: remove_photo
-- Takes a photo away; its bytes are swept later.
update photo set state = 'removed', removed_at = %(now)s where id = %(photo_id)s::uuid and state = 'stored'

-- name: photos_to_sweep
-- Photos whose bytes may go: never wholly stored, or removed long ago; and those of visits that were deleted long ago. Served by
-- photo_to_sweep and photo_is_once_on_a_visit.
(select p.id::text as id, p.visit_id::text as visit_id, p.school_id, p.size_bytes
from photo p
where p.state <> 'stored' and (p.state = 'storing' and p.created_at < %(storing_before)s or p.removed_at < %(removed_before)s)
order by p.created_at, p.id
limit %(rows)s)
union all
(select p.id::text as id, p.visit_id::text as visit_id, p.school_id, p.size_bytes
from visit v
join photo p on p.visit_id = v.id and p.state = 'stored'
where v.deleted_at < %(removed_before)s
limit %(rows)s)

-- name: forget_photo
-- Takes out the row of a photo whose bytes are gone.
delete from photo where id = %(id)s::uuid

-- name: photos_left
-- Bytes whose visit is gone and that may go. Served by photo_left_by_due.
select photo_id::text as id, visit_id::text as visit_id
from photo_left
where due_at <= %(now)s
order by due_at, photo_id
limit %(rows)s

-- name: forget_left
-- Takes out the row of bytes that are gone.
delete from photo_left where photo_id = %(id)s::uuid
