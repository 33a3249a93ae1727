-- name: write_audit
-- Adds one row; goes with the transaction of the deed.
insert into audit_entry (person_id, role, action, resource, resource_id, outcome, before, after, reason, address)
values (%(person_id)s, %(role)s, %(action)s, %(resource)s, %(resource_id)s, %(outcome)s,
    %(before)s::jsonb, %(after)s::jsonb, %(reason)s, %(address)s)

-- name: count_denied
-- One more attempt of a person that was denied: the same one within a minute is one row that counts. Past so many different ones in that minute
-- the rest are one row together, which names none of them. Goes with the transaction it is called in. Served by audit_entry_counts_repeats.
with wanted as materialized (
    select date_trunc('minute', now()) as at,
        md5(jsonb_build_array(%(person_id)s::bigint, %(action)s::text, %(resource)s::text, %(resource_id)s::text, %(reason)s::text,
            %(address)s::text, %(after)s::jsonb)::text)::uuid as repeat_key,
        md5(jsonb_build_array(%(person_id)s::bigint, 'various')::text)::uuid as various_key
), standing as materialized (
    select w.at, w.repeat_key, w.various_key,
        exists (select from audit_entry a where a.at = w.at and a.repeat_key = w.repeat_key) or (
            select count(*)
            from (select from audit_entry a where a.at = w.at and a.repeat_key is not null and a.person_id = %(person_id)s::bigint
                limit %(kinds)s) k) < %(kinds)s as is_apart
    from wanted w
)
insert into audit_entry as a (at, person_id, role, action, resource, resource_id, outcome, before, after, reason, address, last_at, repeat_key)
select s.at, %(person_id)s::bigint, %(role)s::role, case when s.is_apart then %(action)s::text else 'various' end,
    case when s.is_apart then %(resource)s::text else 'route' end, case when s.is_apart then %(resource_id)s::text end, 'denied',
    case when s.is_apart then %(before)s::jsonb end, case when s.is_apart then %(after)s::jsonb end, case when s.is_apart then %(reason)s::text end,
    %(address)s::text, clock_timestamp(), case when s.is_apart then s.repeat_key else s.various_key end
from standing s
on conflict (at, repeat_key) where repeat_key is not null do update
set times = a.times + 1, last_at = excluded.last_at

-- name: count_strangers_denied
-- One more failure of somebody who is not signed in: those of one address within a minute are one row that counts, whatever name they tried. Past
-- so many addresses in that minute the rest are one row together. As above. Served by audit_entry_counts_repeats.
with wanted as materialized (
    select date_trunc('minute', now()) as at,
        md5(jsonb_build_array(null, %(action)s::text, %(resource)s::text, %(address)s::text)::text)::uuid as repeat_key,
        md5(jsonb_build_array(null, 'various')::text)::uuid as various_key
), standing as materialized (
    select w.at, w.repeat_key, w.various_key,
        exists (select from audit_entry a where a.at = w.at and a.repeat_key = w.repeat_key) or (
            select count(*)
            from (select from audit_entry a where a.at = w.at and a.repeat_key is not null and a.person_id is null
                limit %(addresses)s) k) < %(addresses)s as is_apart
    from wanted w
)
insert into audit_entry as a (at, action, resource, resource_id, outcome, before, after, reason, address, last_at, repeat_key)
select s.at, case when s.is_apart then %(action)s::text else 'various' end, case when s.is_apart then %(resource)s::text else 'session' end,
    case when s.is_apart then %(resource_id)s::text end, 'denied', case when s.is_apart then %(before)s::jsonb end,
    case when s.is_apart then %(after)s::jsonb end, case when s.is_apart then %(reason)s::text end, case when s.is_apart then %(address)s::text end,
    clock_timestamp(), case when s.is_apart then s.repeat_key else s.various_key end
from standing s
on conflict (at, repeat_key) where repeat_key is not null do update
set times = a.times + 1, last_at = excluded.last_at

-- fragment: looked_entries
-- Which entries (e) are looked through: what an index serves.
and (e.id < %(after)s::bigint or %(after)s::bigint is null)
and (e.person_id = any(%(person_ids)s::bigint[]) or %(person_ids)s::bigint[] is null)
and (e.person_id = %(person_id)s::bigint or %(person_id)s::bigint is null)
and (e.resource = %(resource)s::text or %(resource)s::text is null)
and (e.resource_id = %(pair_id)s::text or %(pair_id)s::text is null)
and (e.outcome <> 'done' or not %(not_done)s::boolean)
and (e.at >= %(since)s::timestamptz or %(since)s::timestamptz is null)
and (e.at < %(until)s::timestamptz or %(until)s::timestamptz is null)

-- name: list_audit
-- The newest entries first, after a given one, of every month together. By whom, of what and when is found in an index and its order; what else is
-- asked for is looked for among so many of those. Served by each month's primary key, audit_entry_by_person, audit_entry_by_kind,
-- audit_entry_by_resource and audit_entry_denied.
--! plan each time
select a.id, a.at, p.username, a.role, a.action, a.resource, a.resource_id, a.outcome, a.before, a.after, a.reason, a.address,
    a.times, a.last_at
from (
    select e.id, e.at, e.person_id, e.role, e.action, e.resource, e.resource_id, e.outcome, e.before, e.after, e.reason, e.address, e.times, e.last_at
    from audit_entry e
    where true
        --> looked_entries
    order by e.id desc
    limit %(looked)s
) a
left join person p on p.id = a.person_id
where true
    and (a.resource_id = %(resource_id)s::text or %(resource_id)s::text is null)
    and (a.outcome = %(outcome)s::text or %(outcome)s::text is null)
    and (a.action = %(action)s::text or %(action)s::text is null)
    and (%(text)s::text is null
        or concat_ws(' ', a.action, a.resource, a.resource_id, p.username, p.display_name, a.reason, a.address, a.before::text, a.after::text)
            ilike %(text)s)
order by a.id desc
limit %(rows)s

-- name: looked_to
-- How far back list_audit looked: the last of so many entries; null where there were fewer. Served by the same indexes.
--! plan each time
select min(a.id) as id
from (
    select e.id
    from audit_entry e
    where true
        --> looked_entries
    order by e.id desc
    limit %(looked)s
) a
having count(*) = %(looked)s

-- name: people_called
-- Whoever has or had a username. Served by person_by_username.
select id
from person
where username = %(username)s
order by person.id
limit 50
