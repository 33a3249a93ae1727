-- name: find_page
-- How the public page is, where somebody said so. Served by setting's primary key.
select value
from setting
where key = 'public_page'

-- name: save_page
-- Says how the public page is.
insert into setting (key, value) values ('public_page', %(value)s::jsonb)
on conflict (key) do update set value = excluded.value, changed_at = now()

-- name: list_publications
-- The frozen rounds, the last first, and what is published of each. Bounded by three rounds a year.
select r.id as round_id, r.kind::text as kind, y.name as year_name, n.sealed_at is not null as is_sealed, p.published_at,
    coalesce(p.is_shown, false) as is_shown,
    (select count(*) from published_place t where t.round_id = r.id and t.depth > 0)::integer as places
from round r
join school_year y on y.id = r.school_year_id
left join round_snapshot n on n.round_id = r.id
left join publication p on p.round_id = r.id
where r.state = 'frozen' and r.deleted_at is null
order by r.starts_on desc, r.id desc
limit %(rows)s

-- name: shown_rounds
-- The rounds that are published and shown, the last first. Bounded by three rounds a year.
select r.id, r.kind::text as kind, y.name as year_name, p.published_at
from publication p
join round r on r.id = p.round_id
join school_year y on y.id = r.school_year_id
where p.is_shown
order by r.starts_on desc, r.id desc
limit %(rows)s

-- name: insert_publication
-- A round is published, once.
insert into publication (round_id, published_at, published_by, is_shown)
values (%(round_id)s, %(now)s, %(by)s, true)
on conflict (round_id) do nothing

-- name: show_publication
-- Shows what is published of a round, or hides it.
update publication set is_shown = %(is_shown)s where round_id = %(round_id)s and is_shown <> %(is_shown)s

-- name: count_by_depth
-- How many places there are on each level, from the countries down. Reads the places of the country.
select cardinality(lineage)::integer as depth, count(*)::integer as places
from place
where deleted_at is null and cardinality(lineage) <= %(deepest)s
group by 1
order by 1
limit 10

-- name: places_at
-- The places of one level that hang on places, by id. Served by place_by_parent.
select p.id, p.parent_id, p.code, p.name_local, p.name_latin
from place p
where p.deleted_at is null and p.parent_id = any(%(parents)s::bigint[])
order by p.id
limit %(rows)s

-- name: countries
-- The places that hang on none. Served by place_by_parent.
select p.id, p.parent_id, p.code, p.name_local, p.name_latin
from place p
where p.deleted_at is null and p.parent_id is null
order by p.id
limit %(rows)s

-- name: insert_places
-- Keeps places as they are called now.
insert into published_place (round_id, place_id, parent_id, depth, code, name_local, name_latin)
select %(round_id)s, x.id, x.parent_id, %(depth)s, x.code, x.name_local, x.name_latin
from jsonb_to_recordset(%(places)s::jsonb) as x (id bigint, parent_id bigint, code text, name_local text, name_latin text)

-- name: insert_figures
-- Keeps what may be told of places.
insert into published_figure (round_id, place_id, subject, grade, sex, enrolled, assessed, bands, levels)
select %(round_id)s, x.place_id, x.subject, x.grade, x.sex, x.enrolled, x.assessed, x.bands, x.levels
from jsonb_to_recordset(%(told)s::jsonb) as x (
    place_id bigint, subject subject, grade smallint, sex smallint, enrolled bigint, assessed bigint, bands bigint[], levels bigint[])

-- name: way_to
-- A published place and those above it, everywhere first. Served by published_place's primary key; five rows at most.
with recursive way as (
    select place_id, parent_id, depth, code, name_local, name_latin
    from published_place
    where round_id = %(round_id)s and place_id = %(place_id)s
    union all
    select p.place_id, p.parent_id, p.depth, p.code, p.name_local, p.name_latin
    from way
    join published_place p on p.round_id = %(round_id)s and p.place_id = way.parent_id
)
select w.place_id as id, w.depth::integer as depth, w.code, w.name_local, w.name_latin
from way w
order by w.depth
limit 10

-- name: places_on
-- What hangs on a published place, by name. Served by published_place_by_parent.
select place_id as id, depth::integer as depth, code, name_local, name_latin
from published_place
where round_id = %(round_id)s and parent_id = %(place_id)s and depth <= %(depth)s
order by lower(name_local), place_id
limit %(rows)s

-- name: figures_of_place
-- What is told of a place, by grade and sex. Served by published_figure's primary key.
select f.place_id, f.subject::text as subject, f.grade::integer as grade, f.sex::integer as sex, f.enrolled, f.assessed, f.bands, f.levels
from published_figure f
where f.round_id = %(round_id)s and f.place_id = %(place_id)s and f.subject = %(subject)s::subject
order by f.grade, f.sex
limit 200

-- name: figures_of_parts
-- What is told of all children of places. Served by published_figure's primary key.
select f.place_id, f.subject::text as subject, f.grade::integer as grade, f.sex::integer as sex, f.enrolled, f.assessed, f.bands, f.levels
from published_figure f
where f.round_id = %(round_id)s and f.place_id = any(%(place_ids)s::bigint[]) and f.subject = %(subject)s::subject and f.grade = 0 and f.sex = 0
order by f.place_id
limit %(rows)s
