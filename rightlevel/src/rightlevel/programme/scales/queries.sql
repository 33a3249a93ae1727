-- fragment: shown_scale
-- What is shown of a version of a scale; how many live rounds it measures. Bounded by the versions there may be and three rounds a year.
select s.id, s.key::text as key, s.subject::text as subject, s.name, s.version, s.state, s.codes, s.climb, s.edited, s.changed_at, s.published_at,
    (select count(*) from round r where r.deleted_at is null and s.key in (r.language_scale, r.math_scale))::integer as rounds,
    (select jsonb_agg(jsonb_build_object('code', l.code, 'colour', l.colour, 'labels', l.label) order by l.rank)
        from scale_level l where l.scale_id = s.id) as rungs
from scale s

-- name: list_scales
-- Every version of every scale, by subject and name, the newest first. Bounded by the versions there may be.
--! plan each time
--> shown_scale
where (s.subject = %(subject)s::subject or %(subject)s is null) and (s.state = %(state)s or %(state)s is null)
order by s.subject, s.is_default desc, s.name, s.version desc
limit 200

-- name: read_scale
-- One version of a scale. Served by scale_key_is_unique.
--> shown_scale
where s.key = %(key)s::uuid
--? for_update: for update of s

-- name: unknown_scales
-- Published versions that a process was not told of yet. Bounded by the versions there may be.
--> shown_scale
where s.state <> 'draft' and not s.is_default and s.key <> all(%(known)s::uuid[])
order by s.published_at, s.id
limit 200

-- name: measured_rounds
-- The rounds that are measured by another scale than the program's own, the latest first. Bounded by three a year.
select r.id, r.language_scale::text as language_scale, r.math_scale::text as math_scale
from round r
where r.deleted_at is null and (r.language_scale, r.math_scale) is distinct from (%(language)s::uuid, %(math)s::uuid)
order by r.starts_on desc
limit 500

-- name: newest_round
-- What the newest round that was opened is measured by. Bounded by three a year.
select r.id, r.language_scale::text as language_scale, r.math_scale::text as math_scale
from round r
where r.deleted_at is null and r.state <> 'planned'
order by r.starts_on desc, r.id desc
limit 1

-- name: count_scales
-- How many versions there are, drafts apart. Bounded by the versions there may be.
select count(*) filter (where state <> 'draft')::integer as published, count(*) filter (where state = 'draft')::integer as drafts
from scale

-- name: insert_scale
-- Begins a draft, numbered after the versions that its name has.
insert into scale (subject, name, version, state, codes, climb, changed_at, changed_by)
select %(subject)s::subject, %(name)s, coalesce(max(version), 0) + 1, 'draft', %(codes)s::text[], %(climb)s::jsonb, %(now)s, %(person_id)s
from scale
where subject = %(subject)s::subject and name = %(name)s
returning id, key::text as key

-- name: change_scale
-- Changes a draft that is still as it was read.
update scale
set name = %(name)s, codes = %(codes)s::text[], climb = %(climb)s::jsonb, edited = edited + 1, changed_at = %(now)s, changed_by = %(person_id)s
where key = %(key)s::uuid and state = 'draft' and edited = %(edited)s

-- name: drop_rungs
-- Takes the rungs of a draft away, before those that it has from now on.
delete from scale_level l
using scale s
where s.id = l.scale_id and s.key = %(key)s::uuid and s.state = 'draft'

-- name: insert_rungs
-- Keeps the rungs of a draft.
insert into scale_level (scale_id, rank, code, colour, label)
select s.id, w.rank, w.code, w.colour, w.label::jsonb
from scale s
cross join unnest(%(ranks)s::smallint[], %(codes)s::text[], %(colours)s::text[], %(labels)s::text[]) as w (rank, code, colour, label)
where s.key = %(key)s::uuid and s.state = 'draft'

-- name: set_scale_state
-- Publishes a draft or retires a version, if it is still as it was read.
update scale
set state = %(state)s, edited = edited + 1, published_at = coalesce(published_at, %(now)s), changed_at = %(now)s, changed_by = %(person_id)s
where key = %(key)s::uuid and state = %(before)s and edited = %(edited)s and not is_default

-- name: drop_scale
-- Takes a draft away for good; its rungs went before.
delete from scale
where key = %(key)s::uuid and state = 'draft'

-- name: items_of_tools
-- How many items the newest version of each tool of a subject has for each task: the fewest of them. Bounded by the tools there may be.
select t.task, min(jsonb_array_length(t.items))::integer as fewest
from (
    select distinct on (k.number, k.language) k.content
    from test_tool k
    where k.subject = %(subject)s::subject
    order by k.number, k.language, k.version desc) n
cross join lateral jsonb_each(n.content) as t (task, items)
group by t.task
