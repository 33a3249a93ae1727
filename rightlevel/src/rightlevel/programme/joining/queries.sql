-- name: hold_door
-- Lets one request in at a time, so that their bound is exact.
select pg_advisory_xact_lock(5, 1)::text as held

-- name: count_open
-- How many requests are open: at most 200. Served by join_request_by_state.
select count(*)::int as requests from join_request where state = 'open'

-- name: is_asked_already
-- Whether this very request waits already: a form sent twice. Of at most 200 open ones. Served by join_request_by_state.
select exists (
    select 1
    from join_request
    where state = 'open' and name = %(name)s and contact = %(contact)s and school_wished = %(school_wished)s
        and role_wished = %(role_wished)s::role and words = %(words)s) as is_there

-- name: insert_request
-- Keeps a request.
insert into join_request (name, contact, school_wished, role_wished, words, language, address, made_at)
values (%(name)s, %(contact)s, %(school_wished)s, %(role_wished)s::role, %(words)s, %(language)s, %(address)s, %(now)s)
returning id

-- name: read_request
-- One request. Served by the primary key.
select r.id, r.name, r.contact, r.school_wished, r.role_wished::text as role_wished, r.words, r.language, r.state, r.made_at,
    r.decided_at, p.display_name as decided_by, r.reason, r.person_id
from join_request r
left join person p on p.id = r.decided_by
where r.id = %(id)s

-- name: list_requests
-- Requests in one state: open ones the oldest first, decided ones the newest first. Served by join_request_by_state.
select r.id, r.name, r.contact, r.school_wished, r.role_wished::text as role_wished, r.words, r.language, r.state, r.made_at,
    r.decided_at, p.display_name as decided_by, r.reason, r.person_id
from join_request r
left join person p on p.id = r.decided_by
where r.state = %(state)s
--? after: and r.id > %(after_id)s
--? before: and r.id < %(after_id)s
--? oldest: order by r.id
--? newest: order by r.id desc
limit %(rows)s

-- name: decide
-- Decides about a request that is still open: of two at once, one.
update join_request
set state = %(state)s, decided_at = %(now)s, decided_by = %(by)s, reason = %(reason)s, person_id = %(person_id)s
where id = %(id)s and state = 'open'
