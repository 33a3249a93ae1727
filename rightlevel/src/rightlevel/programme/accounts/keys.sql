-- name: entry_needs
-- What a right password still lacks: whether the person has a second factor, and whether admins need one. Served by primary keys.
select exists (select from second_factor f where f.person_id = %(person_id)s and f.confirmed_at is not null) as has_factor,
    coalesce((select s.value = 'true'::jsonb from setting s where s.key = 'admins_need_second_factor'), true) as admins_need_it

-- name: keep_setting
-- Keeps whether admins need a second factor.
insert into setting (key, value) values ('admins_need_second_factor', %(value)s::jsonb)
on conflict (key) do update set value = excluded.value, changed_at = now()

-- name: ask_admins_to_enrol
-- Every session of an admin without a second factor may only enrol from now on. Served by person_session_by_person.
update person_session s
set pending = 'enrol'
from person p
where p.id = s.person_id and p.role = 'admin' and s.pending = ''
    and not exists (select from second_factor f where f.person_id = p.id and f.confirmed_at is not null)

-- name: locked_until
-- Until when any of these may not try again. Served by the primary key.
select max(f.locked_until) as locked_until
from unnest(%(kinds)s::text[], %(subjects)s::text[]) as asked (kind, subject)
join sign_in_failure f on f.kind = asked.kind and f.subject = asked.subject

-- name: forget_failures
-- These start again at none. Served by the primary key.
delete from sign_in_failure
where kind = %(kind)s and subject = %(subject)s

-- name: begin_failures
-- A count of none, where there is none yet: it is there to be locked. Served by the primary key.
insert into sign_in_failure (kind, subject, failures, last_failed_at, locked_until)
values (%(kind)s, %(subject)s, 0, %(now)s, %(now)s)
on conflict (kind, subject) do nothing

-- name: take_off_failures
-- So many failures no longer count, and below the free ones nothing is locked. Served by the primary key.
update sign_in_failure
set failures = greatest(failures - %(fewer)s, 0),
    locked_until = case when failures - %(fewer)s < %(free)s then last_failed_at else locked_until end
where kind = %(kind)s and subject = %(subject)s

-- name: count_known_devices
-- Whether a device is known as that of whoever signs in under this name. Served by the unique indexes of person and the primary key.
select count(*) as devices
from person p
join known_device k on k.person_id = p.id and k.device = %(device)s
where (p.username = %(login)s or lower(p.email) = %(login)s) and p.is_active and p.deleted_at is null

-- name: count_devices_of_person
-- Whether a person is known on a device. Served by the primary key.
select count(*) as devices from known_device where person_id = %(person_id)s and device = %(device)s

-- name: know_device
-- A device is a person's from now on. Served by the primary key.
insert into known_device (person_id, device, last_used_at) values (%(person_id)s, %(device)s, %(now)s)
on conflict (person_id, device) do update set last_used_at = excluded.last_used_at

-- name: forget_oldest_devices
-- Keeps a person's known devices at a bound: those used last stay. Served by the primary key.
delete from known_device
where person_id = %(person_id)s and device in (
    select device from known_device where person_id = %(person_id)s order by last_used_at desc, device offset %(kept)s limit 1000)

-- name: forget_known_devices
-- No device but one is a person's any longer. Served by the primary key.
delete from known_device where person_id = %(person_id)s and device <> %(kept)s

-- name: end_session_by_token
-- Ends the session of a token. Served by the primary key.
delete from person_session where token_hash = %(token_hash)s

-- name: end_calendar_links
-- Ends every calendar link of a person. Served by calendar_link_by_person.
update calendar_link set revoked_at = %(now)s where person_id = %(person_id)s and revoked_at is null

-- name: make_sealing_key
-- Keeps the deployment's key for sealing; the first one stays.
insert into signing_key (name, value) values ('sealing', %(value)s) on conflict (name) do nothing

-- name: read_sealing_key
-- The deployment's key for sealing. Served by the primary key.
select value from signing_key where name = 'sealing'

-- name: keep_code
-- A person's one-time code; a new one takes the place of the last.
insert into one_time_code (person_id, code_hash, made_at, made_by, expires_at, attempts_left)
values (%(person_id)s, %(code_hash)s, %(now)s, %(made_by)s, %(expires_at)s, %(attempts)s)
on conflict (person_id) do update
set code_hash = excluded.code_hash, made_at = excluded.made_at, made_by = excluded.made_by, expires_at = excluded.expires_at,
    attempts_left = excluded.attempts_left

-- name: forget_pin_failures
-- Wrong PINs of somebody start again at none on every device. Served by sign_in_failure_of_pins.
delete from sign_in_failure
where kind = 'pin_pair' and split_part(subject, ' ', 2) = %(person_id)s::text

-- name: code_by_login
-- The code that may still be used under a username or e-mail, and the role of who made it. Served by the unique indexes of person and primary keys.
select p.id as person_id, c.code_hash, m.role as made_by_role
from person p
join one_time_code c on c.person_id = p.id and c.expires_at > %(now)s and c.attempts_left > 0
left join person m on m.id = c.made_by
where (p.username = %(login)s or lower(p.email) = %(login)s) and p.is_active and p.deleted_at is null
limit 1

-- name: use_code
-- Takes the code away if it is still the one that was checked: of two at once, one. Served by the primary key.
delete from one_time_code
where person_id = %(person_id)s and code_hash = %(code_hash)s and expires_at > %(now)s and attempts_left > 0

-- name: miss_code
-- Counts a failed attempt at somebody's code. Served by the primary key.
update one_time_code
set attempts_left = attempts_left - 1
where person_id = %(person_id)s and attempts_left > 0

-- name: forget_code
-- Takes somebody's code away. Served by the primary key.
delete from one_time_code
where person_id = %(person_id)s

-- name: keep_password_from
-- Keeps of whom a password comes. Served by the primary key.
update person set password_from = %(role)s::role where id = %(person_id)s

-- name: key_origins
-- Of whom what opens an account comes: the password, the one-time code that may still be used, and the PIN (none where it is the person's own).
-- Served by primary keys.
select p.password_hash is not null as has_password, p.password_from, c.person_id is not null as has_code, m.role as code_from,
    n.person_id is not null as has_pin, n.set_by = p.id as is_own_pin, s.role as pin_from
from person p
left join one_time_code c on c.person_id = p.id
left join person m on m.id = c.made_by
left join person_pin n on n.person_id = p.id
left join person s on s.id = n.set_by
where p.id = %(person_id)s

-- name: forget_password
-- Makes the current password useless.
update person
set password_hash = null, password_from = null, version = version + 1
where id = %(person_id)s and deleted_at is null

-- name: admins_with_a_password
-- The admins who can sign in, locked so that two resets at once can't lock out the last two. Bounded by their number.
select id
from person
where role = 'admin' and is_active and deleted_at is null and password_hash is not null
order by id
limit 1000
for update

-- name: revoke_tokens_of
-- Ends every token of a person. Served by api_token_by_person.
update api_token
set revoked_at = %(now)s
where person_id = %(person_id)s and revoked_at is null

-- name: keep_secret
-- A second factor not yet confirmed; one that is confirmed stays as it is.
insert into second_factor (person_id, sealed_secret, made_at)
values (%(person_id)s, %(sealed_secret)s, %(now)s)
on conflict (person_id) do update
set sealed_secret = excluded.sealed_secret, made_at = excluded.made_at, last_step = 0
where second_factor.confirmed_at is null

-- name: read_factor
-- A person's second factor. Served by the primary key.
select sealed_secret, confirmed_at, last_step, (select count(*)::int from recovery_code r where r.person_id = f.person_id) as codes_left
from second_factor f
where f.person_id = %(person_id)s
--? for_update: for update of f

-- name: confirm_factor
-- Confirms a second factor once.
update second_factor
set confirmed_at = %(now)s, last_step = %(step)s
where person_id = %(person_id)s and confirmed_at is null

-- name: use_step
-- Takes a time step, and every earlier one, out of use: of the same code twice, once. Served by the primary key.
update second_factor
set last_step = %(step)s
where person_id = %(person_id)s and last_step < %(step)s

-- name: forget_factor
-- Takes somebody's second factor away, with its recovery codes. Served by the primary key.
delete from second_factor
where person_id = %(person_id)s

-- name: forget_recovery_codes
-- Takes the recovery codes away. Served by the primary key.
delete from recovery_code
where person_id = %(person_id)s

-- name: keep_recovery_codes
-- Keeps the hashes of ten recovery codes.
insert into recovery_code (person_id, code_hash)
select %(person_id)s, hash from unnest(%(hashes)s::bytea[]) as made (hash)

-- name: use_recovery_code
-- Takes one recovery code out of use: of the same code twice, once. Served by the primary key.
delete from recovery_code
where person_id = %(person_id)s and code_hash = %(code_hash)s

-- name: keep_pin
-- A person's PIN.
insert into person_pin (person_id, pin_hash, set_at, set_by)
values (%(person_id)s, %(pin_hash)s, %(now)s, %(set_by)s)
on conflict (person_id) do update set pin_hash = excluded.pin_hash, set_at = excluded.set_at, set_by = excluded.set_by

-- name: forget_pin
-- Takes somebody's PIN away. Served by the primary key.
delete from person_pin
where person_id = %(person_id)s

-- name: end_pin_sessions
-- Ends what a person's PIN opened. Served by person_session_by_person.
delete from person_session
where person_id = %(person_id)s and school_device_id is not null

-- name: has_pin
-- Whether somebody has a PIN. Served by the primary key.
select exists (select from person_pin where person_id = %(person_id)s) as has_pin

-- name: sweep_link_codes
-- Takes away what ended of a school's codes. Served by device_link_code_by_school.
delete from device_link_code
where school_id = %(school_id)s and expires_at <= %(now)s

-- name: hold_school
-- A live school, locked for its bounds to be counted. Served by the primary key.
select name_local
from school
where id = %(school_id)s and deleted_at is null
for no key update

-- name: count_link_codes
-- How many codes of a school are open. Served by device_link_code_by_school.
select count(*) as codes from device_link_code where school_id = %(school_id)s

-- name: keep_link_code
-- A code with which one device may be linked.
insert into device_link_code (code_hash, school_id, made_by, expires_at)
values (%(code_hash)s, %(school_id)s, %(made_by)s, %(expires_at)s)

-- name: use_link_code
-- Takes a code away and says for which school it was: of two at once, one. Served by the primary key.
delete from device_link_code
where code_hash = %(code_hash)s and expires_at > %(now)s
returning school_id, made_by

-- name: count_devices
-- How many devices a school has. Served by school_device_by_school.
select count(*) as devices from school_device where school_id = %(school_id)s

-- name: insert_device
-- Links a device.
insert into school_device (school_id, secret_hash, label, address, linked_by, linked_at, last_used_at)
values (%(school_id)s, %(secret_hash)s, %(label)s, %(address)s, %(linked_by)s, %(now)s, %(now)s)
returning id::text as id

-- name: device_by_secret
-- The linked device of which this is the secret. Served by its unique hash.
select d.id::text as id, d.school_id, s.name_local as school_name
from school_device d
join school s on s.id = d.school_id and s.deleted_at is null
where d.secret_hash = %(secret_hash)s

-- name: touch_device
-- Notes that a device was used. Served by the primary key.
update school_device set last_used_at = %(now)s where id = %(id)s::uuid

-- name: list_devices
-- A school's devices, newest first. Served by school_device_by_school.
select d.id::text as id, d.school_id, d.label, d.address, p.display_name as linked_by, d.linked_at, d.last_used_at
from school_device d
left join person p on p.id = d.linked_by
where d.school_id = %(school_id)s
--? after: and (d.linked_at, d.id) < (%(after_at)s, %(after_id)s::uuid)
order by d.linked_at desc, d.id desc
limit %(rows)s

-- name: school_of_device
-- The school to which a device is linked. Served by the primary key.
select school_id from school_device where id = %(id)s::uuid

-- name: forget_device
-- Takes a device's link away, and ends what PINs opened on it. Served by the primary key.
delete from school_device
where id = %(id)s::uuid

-- name: names_here
-- Who may sign in by PIN at a school: assigned there today, with a PIN and without a second factor. Served by assignment_by_school.
select distinct p.id, p.display_name, lower(p.display_name) as sorted_by
from assignment a
join person p on p.id = a.person_id and p.is_active and p.deleted_at is null and p.role in ('teacher', 'mentor')
join person_pin n on n.person_id = p.id
where a.school_id = %(school_id)s and a.ended_at is null and a.from_on <= %(today)s and (a.to_on is null or a.to_on >= %(today)s)
    and not exists (select from second_factor f where f.person_id = p.id and f.confirmed_at is not null)
--? one: and p.id = %(person_id)s
order by sorted_by, p.id
limit 200

-- name: pin_key
-- What a PIN is checked against. Served by primary keys.
select p.id, n.pin_hash as password_hash, p.language, p.role, p.username
from person p
join person_pin n on n.person_id = p.id
where p.id = %(person_id)s and p.is_active and p.deleted_at is null

-- name: hold_form
-- Keeps a form for whoever it was made for; of a person the two youngest stay beside it. Served by held_form_by_person.
with gone as (
    delete from held_form
    where secret_hash in (
        select h.secret_hash from held_form h
        where h.person_id = %(person_id)s
        order by h.expires_at desc
        offset 2))
insert into held_form (secret_hash, person_id, content, expires_at)
select %(secret_hash)s, p.id, %(content)s, %(expires_at)s from person p where p.id = %(person_id)s and p.is_active and p.deleted_at is null

-- name: read_held_form
-- A form that is kept for a person. Served by the primary key.
select content from held_form where secret_hash = %(secret_hash)s and person_id = %(person_id)s and expires_at > %(now)s
