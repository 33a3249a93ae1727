-- fragment: who_asks
-- What the row of whoever asks (p) tells of them.
select p.id, p.role, p.username, p.display_name, p.language, p.has_own_digits,

-- fragment: programme_and_held
-- What of the programme every request is judged by, and what is assigned to whoever asks (h).
z.chosen as time_zone, z.country, (select l.value #>> '{}' from setting l where l.key = 'language_mark') as language_mark,
h.schools, h.subjects, h.classes

-- name: actor_by_session
-- Who holds this session, and in a write everything assigned to them today. Served by the primary key and assignment_by_person.
--> who_asks
    s.id::text as session_id, s.csrf_token,
    s.pending, s.school_device_id is not null as is_by_pin, true as may_write, null::text[] as resources,
    --> programme_and_held
from person_session s
join person p on p.id = s.person_id and p.is_active and p.deleted_at is null
cross join programme_zone z
left join lateral (
    select array_agg(a.school_id order by a.id) as schools, array_agg(a.subject::text order by a.id) as subjects,
        array_agg(a.class_id order by a.id) as classes
    from assignment a
    where %(reads_held)s and a.person_id = p.id and a.ended_at is null and a.from_on <= %(today)s and (a.to_on is null or a.to_on >= %(today)s)
) h on true
where s.token_hash = %(token_hash)s and s.expires_at > %(now)s and s.last_seen_at > %(idle_since)s

-- name: actor_by_token
-- Who holds this API token, and in a write everything assigned to them today. Served by api_token's unique hash.
--> who_asks
    null::text as session_id, '' as csrf_token,
    '' as pending, false as is_by_pin, t.may_write, t.resources,
    --> programme_and_held
from api_token t
join person p on p.id = t.person_id and p.is_active and p.deleted_at is null
cross join programme_zone z
left join lateral (
    select array_agg(a.school_id order by a.id) as schools, array_agg(a.subject::text order by a.id) as subjects,
        array_agg(a.class_id order by a.id) as classes
    from assignment a
    where %(reads_held)s and a.person_id = p.id and a.ended_at is null and a.from_on <= %(today)s and (a.to_on is null or a.to_on >= %(today)s)
) h on true
where t.token_hash = %(token_hash)s and t.expires_at > %(now)s and t.revoked_at is null

-- name: actors_together
-- Who holds each of some sessions and API tokens, for what is written together, with everything assigned to them today; nothing of a mark that is nobody's.
-- Served by the primary key of person_session, api_token's unique hash and assignment_by_person.
--> who_asks
    k.session_id, k.csrf_token,
    k.pending, k.is_by_pin, k.may_write, k.resources,
    --> programme_and_held
    , w.number
from unnest(%(numbers)s::integer[], %(hashes)s::bytea[], %(by_session)s::boolean[]) as w (number, token_hash, is_session)
cross join lateral (
    select s.person_id, s.id::text as session_id, s.csrf_token, s.pending, s.school_device_id is not null as is_by_pin,
        true as may_write, null::text[] as resources
    from person_session s
    where w.is_session and s.token_hash = w.token_hash and s.expires_at > %(now)s and s.last_seen_at > %(idle_since)s
    union all
    select t.person_id, null, '', '', false, t.may_write, t.resources
    from api_token t
    where not w.is_session and t.token_hash = w.token_hash and t.expires_at > %(now)s and t.revoked_at is null
) k
join person p on p.id = k.person_id and p.is_active and p.deleted_at is null
cross join programme_zone z
left join lateral (
    select array_agg(a.school_id order by a.id) as schools, array_agg(a.subject::text order by a.id) as subjects,
        array_agg(a.class_id order by a.id) as classes
    from assignment a
    where a.person_id = p.id and a.ended_at is null and a.from_on <= %(today)s and (a.to_on is null or a.to_on >= %(today)s)
) h on true
order by w.number

-- name: held_by
-- What is assigned to a person today. Served by assignment_by_person.
select school_id, subject::text as subject, class_id
from assignment
where person_id = %(person_id)s and ended_at is null and from_on <= %(today)s and (to_on is null or to_on >= %(today)s)
order by id
limit 10000

-- name: standing_of
-- Which role somebody has now, and whether the account is in use. Served by the primary key.
select role::text as role, is_active and deleted_at is null as is_in_use
from person
where id = %(person_id)s
--? hold: for share

-- name: end_assignments_of
-- Ends everything that is assigned to a person, at a school or for a class. Served by assignment_by_person, assignment_by_school and
-- assignment_by_class.
update assignment
set ended_at = %(now)s
where ended_at is null
--? of_person: and person_id = %(person_id)s
--? of_school: and school_id = %(school_id)s
--? of_class: and class_id = %(class_id)s
returning id, person_id

-- name: key_by_login
-- The account that signs in under a username or e-mail. Served by person_username_is_unique and person_email_is_unique.
select id, password_hash, language, role
from person
where (username = %(login)s or lower(email) = %(login)s) and is_active and deleted_at is null
limit 1

-- name: key_by_person
-- The password hash of one person. Served by the primary key.
select id, password_hash, language, role
from person
where id = %(person_id)s and deleted_at is null

-- name: failure_for_update
-- The count of failures, locked until it is raised. Served by the primary key.
select failures, last_failed_at
from sign_in_failure
where kind = %(kind)s and subject = %(subject)s
for update

-- name: save_failure
-- Keeps the count of failures: one row an account or address.
insert into sign_in_failure (kind, subject, failures, last_failed_at, locked_until)
values (%(kind)s, %(subject)s, %(failures)s, %(now)s, %(locked_until)s)
on conflict (kind, subject) do update
set failures = excluded.failures, last_failed_at = excluded.last_failed_at, locked_until = excluded.locked_until

-- name: insert_session
-- Opens a session. Whoever else signs in as this person waits for the end of it, so that what is then over the bound is seen by somebody.
insert into person_session (token_hash, person_id, csrf_token, created_at, last_seen_at, expires_at, address, device, pending, school_device_id)
select %(token_hash)s, p.id, %(csrf_token)s, %(now)s, %(now)s, %(expires_at)s, %(address)s, %(device)s, %(pending)s, %(school_device_id)s::uuid
from (select id from person where id = %(person_id)s for no key update) p

-- name: end_oldest_sessions
-- Keeps a person's sessions at a bound: the newest stay. Served by person_session_by_person.
delete from person_session
where token_hash in (
    select token_hash from person_session where person_id = %(person_id)s order by created_at desc, id desc offset %(kept)s limit 1000)

-- name: end_session
-- Ends one session by its public id, if it is this person's. Served by the unique id.
delete from person_session
where id = %(id)s::uuid and person_id = %(person_id)s

-- name: end_sessions_of
-- Ends every session of a person, but for one that may stay. Served by person_session_by_person.
delete from person_session
where person_id = %(person_id)s
    and (id <> %(kept_id)s::uuid or %(kept_id)s is null)

-- name: list_sessions
-- Where a person is signed in, newest first. Served by person_session_by_person.
select id::text, created_at, last_seen_at, expires_at, address, device, school_device_id is not null as is_by_pin
from person_session
where person_id = %(person_id)s
--? after: and (created_at, id) < (%(after_at)s, %(after_id)s::uuid)
order by created_at desc, id desc
limit %(rows)s

-- name: touch_sessions
-- Notes when sessions were last used; many at once, once a minute. Served by the unique id.
update person_session
set last_seen_at = %(now)s
where id = any(%(ids)s::uuid[])

-- name: insert_token
-- Makes an API token.
insert into api_token (person_id, token_hash, label, created_at, expires_at, may_write, resources)
values (%(person_id)s, %(token_hash)s, %(label)s, %(now)s, %(expires_at)s, %(may_write)s, %(resources)s::text[])
returning id::text as id

-- name: list_tokens
-- A person's tokens, newest first. Served by api_token_by_person.
select id::text, label, created_at, expires_at, revoked_at is not null as is_revoked, may_write, resources
from api_token
where person_id = %(person_id)s
--? after: and (created_at, id) < (%(after_at)s, %(after_id)s::uuid)
order by created_at desc, id desc
limit %(rows)s

-- name: count_tokens
-- How many usable tokens a person has. Served by api_token_by_person.
select count(*) as tokens
from api_token
where person_id = %(person_id)s and revoked_at is null and expires_at > %(now)s

-- name: revoke_token
-- Ends a token, if it is this person's. Served by the primary key.
update api_token
set revoked_at = %(now)s
where id = %(id)s::uuid and person_id = %(person_id)s and revoked_at is null

-- name: insert_person
-- Makes an account.
insert into person (username, email, display_name, role, password_hash, password_from, language, created_by)
values (%(username)s, %(email)s, %(display_name)s, %(role)s::role, %(password_hash)s, %(password_from)s::role, %(language)s, %(created_by)s)
returning id

-- name: read_person
-- One account. Served by the primary key.
select id, username, email, display_name, role, language, is_active, version, deleted_at is not null as is_deleted
from person
where id = %(person_id)s
--? for_update: for update

-- name: person_by_username
-- One live account by its username. Served by person_username_is_unique.
select id, username, email, display_name, role, language, is_active, version, false as is_deleted
from person
where username = %(username)s and deleted_at is null

-- name: list_people
-- Accounts by name. Served by person_by_name.
--! plan each time
select id, username, email, display_name, role, language, is_active, version, deleted_at is not null as is_deleted
from person
where true
    and (deleted_at is not null) = %(deleted)s::boolean
    and (role = %(role)s::role or %(role)s::role is null)
    and (lower(display_name) like %(search)s::text or username like %(search)s or %(search)s is null)
    and ((lower(display_name), id) > (%(after_name)s::text, %(after_id)s::bigint) or %(after_id)s::bigint is null)
order by lower(display_name), id
limit %(rows)s

-- name: change_person
-- Changes an account if it is still the version that was read.
update person
set display_name = %(display_name)s, email = %(email)s, role = %(role)s::role, language = %(language)s, version = version + 1
where id = %(person_id)s and version = %(version)s and deleted_at is null

-- name: set_password
-- Keeps a new password hash.
update person
set password_hash = %(password_hash)s, version = version + 1
where id = %(person_id)s and deleted_at is null

-- name: set_language
-- Keeps the language in which a person reads.
update person
set language = %(language)s, version = version + 1
where id = %(person_id)s and deleted_at is null

-- name: set_digits
-- Keeps whether a person reads digits in their language's own script.
update person
set has_own_digits = %(is_own)s, version = version + 1
where id = %(person_id)s and deleted_at is null

-- name: set_active
-- Switches an account on or off.
update person
set is_active = %(is_active)s, version = version + 1
where id = %(person_id)s and deleted_at is null

-- name: delete_person
-- Takes an account out of use, restorably.
update person
set deleted_at = %(now)s, deleted_by = %(by)s, delete_reason = %(reason)s, version = version + 1
where id = %(person_id)s and deleted_at is null

-- name: restore_person
-- Brings a deleted account back.
update person
set deleted_at = null, deleted_by = null, delete_reason = null, version = version + 1
where id = %(person_id)s and deleted_at is not null

-- name: lock_admins
-- The admins in use, locked so that two removals at once can't take the last two. Bounded by their number.
select id
from person
where role = 'admin' and is_active and deleted_at is null
order by id
limit 1000
for update
