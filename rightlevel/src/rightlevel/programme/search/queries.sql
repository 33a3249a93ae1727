-- name: find_students
-- Of all children those with a code, then those whose name begins with a text, then those whose name or code holds its words somewhere. What is everywhere is
-- found among the first few thousand; only what is not goes through the index of parts of words. Served by student_by_code, student_by_name, the primary
-- key and student_by_grams.
with coded as materialized (
    select c.id
    from student c
    where c.deleted_at is null and lower(c.code) = %(code)s
    limit %(rows)s
), named as materialized (
    select n.id
    from student n
    where n.deleted_at is null and n.name_key >= %(first)s and n.name_key <= %(last)s
    order by n.name_key, n.id
    limit %(rows)s
), sampled as materialized (
    select s.id
    from (select w.id, w.name_key || ' ' || lower(w.code) as words from student w where w.deleted_at is null order by w.id limit %(sampled)s) s
    where s.words like all (%(folded)s::text[]) or s.words like all (%(plain)s::text[])
    limit %(rows)s
), held as materialized (
    select g.id
    from (select count(*) as enough from sampled) f
    -- the bound hangs on the count, so that nothing is asked of the index where enough was found
    cross join lateral students_by_grams(%(grams)s::tsquery, %(folded)s::text[], %(plain)s::text[],
        case when f.enough < %(rows)s and %(grams)s is not null then %(rows)s::integer else 0 end) g (id)
), found as materialized (
    select every.id, min(every.place) as place
    from (
        select id, 1 as place from coded
        union all
        select id, 2 as place from named
        union all
        select id, 3 as place from sampled
        union all
        select id, 3 as place from held
    ) every
    group by every.id
)
select st.id::text as id, st.code, st.name, st.grade, st.status::text as status, st.school_id, sc.name_local as school_name
from found
cross join lateral (
    -- one look-up each: a plan that knows not how few were found would read every child
    select w.id, w.code, w.name, w.name_key, w.grade, w.status, w.school_id
    from student w
    where w.id = found.id
    offset 0) st
join school sc on sc.id = st.school_id
order by found.place, st.name_key, st.id
limit %(rows)s

-- name: find_own_students
-- Children of somebody's schools and classes: with a code, whose name begins with a text, or whose name or code holds its words. Served by student_by_school and
-- student_by_class.
select st.id::text as id, st.code, st.name, st.grade, st.status::text as status, st.school_id, sc.name_local as school_name
from student st
join school sc on sc.id = st.school_id
where st.deleted_at is null and (st.school_id = any(%(scope_schools)s) or st.class_id = any(%(scope_classes)s))
    and (st.name_key || ' ' || lower(st.code) like all (%(folded)s::text[]) or st.name_key || ' ' || lower(st.code) like all (%(plain)s::text[]))
order by case when lower(st.code) = %(code)s then 1 when st.name_key like %(begins)s then 2 else 3 end, st.name_key || '', st.id
limit %(rows)s

-- name: find_schools
-- Of all schools the one with a code, then those whose name begins with a text, then those whose names or code hold its words somewhere. Served by
-- school_code_is_unique, school_by_name and school_by_grams.
with coded as materialized (
    select c.id
    from school c
    where c.deleted_at is null and c.code in (%(code)s, upper(%(code)s))
), named as materialized (
    select n.id
    from school n
    where n.deleted_at is null and lower(n.name_local) >= %(first)s and lower(n.name_local) <= %(last)s
    order by lower(n.name_local), n.id
    limit %(rows)s
), held as materialized (
    select h.id
    from school h
    where h.deleted_at is null and search_grams(search_text(h.name_local || ' ' || h.name_latin || ' ' || h.code)) @@ %(grams)s::tsquery
        and (search_text(h.name_local || ' ' || h.name_latin || ' ' || h.code) like all (%(folded)s::text[])
            or search_text(h.name_local || ' ' || h.name_latin || ' ' || h.code) like all (%(plain)s::text[]))
    limit %(rows)s
), found as materialized (
    select every.id, min(every.place) as place
    from (
        select id, 1 as place from coded
        union all
        select id, 2 as place from named
        union all
        select id, 3 as place from held
    ) every
    group by every.id
)
select s.id, s.code, s.name_local, s.name_latin, p.name_local as place_name, s.status, s.is_practice
from found
join school s on s.id = found.id
join place p on p.id = s.place_id
order by found.place, lower(s.name_local), s.id
limit %(rows)s

-- name: find_own_schools
-- Somebody's schools whose names or code hold the words of a text. Served by the primary key.
select s.id, s.code, s.name_local, s.name_latin, p.name_local as place_name, s.status, s.is_practice
from school s
join place p on p.id = s.place_id
where s.deleted_at is null and s.id = any(%(scope_schools)s)
    and (search_text(s.name_local || ' ' || s.name_latin || ' ' || s.code) like all (%(folded)s::text[])
        or search_text(s.name_local || ' ' || s.name_latin || ' ' || s.code) like all (%(plain)s::text[]))
order by case when lower(s.code) = %(code)s then 1 when search_text(s.name_local) like %(begins)s then 2 else 3 end, lower(s.name_local), s.id
limit %(rows)s

-- name: find_people
-- The accounts with a username, then those whose name begins with a text, then those whose name or username holds its words somewhere. Served by
-- person_by_username, person_by_name and person_by_grams.
with coded as materialized (
    select c.id
    from person c
    where c.deleted_at is null and c.username = %(code)s
), named as materialized (
    select n.id
    from person n
    where n.deleted_at is null and lower(n.display_name) >= %(first)s and lower(n.display_name) <= %(last)s
    order by lower(n.display_name), n.id
    limit %(rows)s
), held as materialized (
    select h.id
    from person h
    where h.deleted_at is null and search_grams(search_text(h.display_name || ' ' || h.username)) @@ %(grams)s::tsquery
        and (search_text(h.display_name || ' ' || h.username) like all (%(folded)s::text[])
            or search_text(h.display_name || ' ' || h.username) like all (%(plain)s::text[]))
    limit %(rows)s
), found as materialized (
    select every.id, min(every.place) as place
    from (
        select id, 1 as place from coded
        union all
        select id, 2 as place from named
        union all
        select id, 3 as place from held
    ) every
    group by every.id
)
select p.id, p.username, p.display_name, p.role::text as role, p.is_active
from found
join person p on p.id = found.id
order by found.place, lower(p.display_name), p.id
limit %(rows)s

-- name: find_names
-- What things are called, by their ids: at most so many of each kind. An erased child has no name. Served by primary keys.
select 'student' as kind, st.id::text as id, st.name, null::text as code
from student st where st.id = any(%(student)s::uuid[]) and st.erased_at is null
union all
select 'result', r.id::text, st.name, null from result r join student st on st.id = r.student_id
where r.id = any(%(result)s::uuid[]) and st.erased_at is null
union all
select 'visit', v.id::text, s.name_local, null from visit v join school s on s.id = v.school_id where v.id = any(%(visit)s::uuid[])
union all
select 'planned_visit', v.id::text, s.name_local, null from planned_visit v join school s on s.id = v.school_id
where v.id = any(%(planned_visit)s::uuid[])
union all
select 'follow_up', f.id::text, s.name_local, null from follow_up f join school s on s.id = f.school_id where f.id = any(%(follow_up)s::uuid[])
union all
select 'school', s.id::text, s.name_local, s.code from school s where s.id = any(%(school)s::bigint[])
union all
select 'person', p.id::text, p.display_name, p.username from person p where p.id = any(%(person)s::bigint[])
union all
select 'class', c.id::text, c.section, c.grade::text from class c where c.id = any(%(class)s::bigint[])
union all
select 'round', r.id::text, y.name, r.kind::text from round r join school_year y on y.id = r.school_year_id where r.id = any(%(round)s::bigint[])
union all
select 'place', p.id::text, p.name_local, p.code from place p where p.id = any(%(place)s::bigint[])
union all
select 'school_year', y.id::text, y.name, null from school_year y where y.id = any(%(school_year)s::bigint[])
limit 12000
