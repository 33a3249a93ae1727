-- name: hold_person
-- Holds a person, so that two new links at once are counted one after the other.
select id from person where id = %(person_id)s for no key update

-- name: count_links
-- A person's usable calendar links. Served by calendar_link_by_person.
select count(*) from calendar_link where person_id = %(person_id)s and revoked_at is null and expires_at > %(now)s

-- name: insert_link
-- Makes a calendar link.
insert into calendar_link (person_id, token_hash, created_at, expires_at)
values (%(person_id)s, %(token_hash)s, %(now)s, %(expires_at)s)
returning id::text as id

-- name: list_links
-- A person's usable calendar links. Served by calendar_link_by_person; at most five are usable.
select id::text as id, created_at, expires_at
from calendar_link
where person_id = %(person_id)s and revoked_at is null and expires_at > %(now)s
order by created_at desc, calendar_link.id
limit 20

-- name: revoke_link
-- Ends a calendar link of a person.
update calendar_link set revoked_at = %(now)s where id = %(link_id)s::uuid and person_id = %(person_id)s and revoked_at is null

-- name: person_of_link
-- Whose calendar a usable link shows, and in what language. Served by calendar_link_is_unique.
select p.id as person_id, p.language
from calendar_link l
join person p on p.id = l.person_id and p.is_active and p.deleted_at is null
where l.token_hash = %(token_hash)s and l.revoked_at is null and l.expires_at > %(now)s and p.role in ('admin', 'coordinator', 'mentor')

-- name: sweep_links
-- Takes out links that ran out or were revoked a month ago. At most five a person are usable.
delete from calendar_link
where id in (select id from calendar_link where coalesce(revoked_at, expires_at) < %(before)s limit %(rows_per_batch)s)
