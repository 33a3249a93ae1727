-- name: keep_phone
-- Notes a phone of a person's, or that it was seen again; nothing for another's or one that was ended. Served by the primary key.
insert into person_phone (id, person_id, label, session_id, kept_at, last_seen_at)
values (%(id)s::uuid, %(person_id)s, %(label)s, %(session_id)s::uuid, %(now)s, %(now)s)
on conflict (id) do update
set last_seen_at = excluded.last_seen_at, session_id = coalesce(excluded.session_id, person_phone.session_id), label = excluded.label
where person_phone.person_id = excluded.person_id and person_phone.ended_at is null

-- name: forget_oldest_phones
-- Keeps a person's phones at a bound: those seen last stay. Served by person_phone_by_person.
delete from person_phone
where person_id = %(person_id)s and id in (
    select id from person_phone where person_id = %(person_id)s order by last_seen_at desc, id desc offset %(kept)s limit 1000)

-- name: phones
-- A person's phones, those seen last first. Served by person_phone_by_person.
select id::text as id, label, kept_at, last_seen_at, ended_at
from person_phone f
where person_id = %(person_id)s
order by last_seen_at desc, f.id desc
limit %(rows)s

-- name: end_phone
-- Ends a phone of a person's, once. Served by the primary key.
update person_phone
set ended_at = %(now)s
where id = %(id)s::uuid and person_id = %(person_id)s and ended_at is null
returning coalesce(session_id::text, '') as session_id

-- name: is_kept
-- Whether a phone may keep what is on it: it is known, was not ended, and its owner is still there. Served by the primary keys.
select count(*) as phones
from person_phone f
join person p on p.id = f.person_id and p.is_active and p.deleted_at is null
where f.id = %(id)s::uuid and f.ended_at is null
