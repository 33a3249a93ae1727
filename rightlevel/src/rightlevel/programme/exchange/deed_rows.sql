-- name: make_staged_places
-- Makes the table that a file's places are copied into; it goes with the transaction. Those that hang higher have their turn first.
create temporary table staged_row (
    row_number bigint, is_whole boolean, kind text, code text, name_local text, name_latin text, parent text, reason text, id bigint,
    turn integer generated always as (case kind when 'country' then 0 when 'province' then 1 when 'district' then 2 when 'commune' then 3
        when 'cluster' then 3 else 4 end) stored,
    key text generated always as (coalesce(parent, '') || '/' || code) stored, primary key (turn, row_number)
) on commit drop

-- name: make_staged_classes
-- The same for classes. Those that are there by their number have their turn first, so that what they give up is free.
create temporary table staged_row (
    row_number bigint, is_whole boolean, school_code text, school_year_id bigint, grade integer, section text, id bigint,
    turn integer generated always as (case when id is null then 1 else 0 end) stored,
    key text generated always as (school_code || ' / ' || school_year_id::text || ' / ' || grade::text || ' / ' || coalesce(section, '')) stored,
    primary key (turn, row_number)
) on commit drop

-- name: make_staged_people
-- The same for people.
create temporary table staged_row (
    row_number bigint, is_whole boolean, username text, display_name text, role text, email text, language text, is_active boolean,
    id bigint generated always as (null::bigint) stored, turn integer generated always as (0) stored,
    key text generated always as (username) stored, primary key (turn, row_number)
) on commit drop

-- name: make_staged_assignments
-- The same for assignments. What ends, and what is there by its number, has its turn first: the same may begin anew after it.
create temporary table staged_row (
    row_number bigint, is_whole boolean, username text, school_code text, subject text, grade integer, section text, class_year_id bigint,
    from_on date, to_on date, state text, id bigint,
    turn integer generated always as (case when id is not null or state = 'over' then 0 else 1 end) stored,
    key text generated always as (username || ' / ' || school_code || ' / ' || subject || ' / ' || coalesce(grade::text || ' / '
        || coalesce(section, '') || ' / ' || coalesce(class_year_id, 0)::text, '') || ' / ' || coalesce(from_on - date '2000-01-01', 0)::text) stored,
    primary key (turn, row_number)
) on commit drop

-- name: make_judged_row
-- Makes the table of what would become of each row; it goes with the transaction.
create temporary table judged_row (row_number bigint, became text, before jsonb, after jsonb) on commit drop

-- name: copy_staged_rows
-- Takes a file's rows, with the columns of its kind.
copy staged_row from stdin

-- name: copy_judged_rows
-- Takes what became of the rows that were tried.
copy judged_row (row_number, became, before, after) from stdin

-- name: analyze_staged_row
-- Tells the planner how many rows there are.
analyze staged_row

-- name: count_staged_rows
-- How many rows the file has.
select count(*) as rows from staged_row

-- name: find_repeated_rows
-- Notes every row that is of the same thing as another, by its number or else by what names it, and names that row. *Cost*: one hash of the file.
with named as (
    select s.row_number, case when s.id is not null then '#' || s.id::text else s.key end as name, coalesce(s.key, s.id::text) as shown
    from staged_row s
    where s.is_whole and (s.id is not null or s.key is not null)),
repeated as (
    select n.name, min(n.row_number) as first_row, max(n.row_number) as last_row
    from named n
    group by n.name
    having count(*) > 1),
found as (
    select n.row_number, n.shown, case when n.row_number = r.first_row then r.last_row else r.first_row end as other_row
    from named n
    join repeated r on r.name = n.name),
kept as (
    insert into found_fault (row_number, column_name, value, rule)
    select row_number, %(column)s, left(shown, 200), 'The same is also said in row ' || other_row
    from found order by row_number limit %(most)s)
select count(*) as faults from found

-- name: list_rows_to_do
-- Some of the rows that nothing is wrong with, in their turns. Served by the primary key.
select s.row_number, s.turn, to_jsonb(s) - array['row_number', 'is_whole', 'turn', 'key'] as cells
from staged_row s
where s.is_whole and (s.turn, s.row_number) > (%(turn)s::integer, %(row_number)s::bigint)
    and not exists (select 1 from found_fault f where f.row_number = s.row_number and not f.is_left_out)
order by s.turn, s.row_number
limit %(rows)s

-- name: drop_bad_rows
-- Takes the rows that are wrong out of what is to be saved.
with judged as (
    delete from judged_row j
    using (select distinct row_number from found_fault where not is_left_out) f
    where f.row_number = j.row_number)
delete from staged_row s
using (select distinct row_number from found_fault where not is_left_out) f
where f.row_number = s.row_number

-- name: keep_deeds
-- Keeps what some rows did, in its order, so that it can be undone from its end.
insert into import_changed (run_id, thing, thing_id, version, is_new, before)
select %(run_id)s::uuid, w.thing, w.thing_id, w.version, w.is_new, w.before
from unnest(%(things)s::text[], %(thing_ids)s::bigint[], %(versions)s::integer[], %(are_new)s::boolean[], %(befores)s::jsonb[])
    with ordinality w (thing, thing_id, version, is_new, before, at)
order by w.at

-- name: list_deeds
-- What an import did, from its end, some at a time, each with the name by which people know the thing. Served by the primary keys.
select c.number, c.thing, c.thing_id, c.version, c.is_new, c.before, coalesce(case
    when c.thing in ('place', 'boundary') then (select p.name_local || ' (' || p.code || ')' from place p where p.id = c.thing_id)
    when c.thing = 'class' then (
        select sc.code || ', ' || k.grade || ' ' || k.section from class k join school sc on sc.id = k.school_id where k.id = c.thing_id)
    when c.thing = 'person' then (select n.username from person n where n.id = c.thing_id)
    else (
        select n.username || ', ' || sc.code || ', ' || a.subject::text
        from assignment a
        join person n on n.id = a.person_id
        join school sc on sc.id = a.school_id
        where a.id = c.thing_id) end, '') as name
from import_changed c
where c.run_id = %(run_id)s::uuid and c.thing is not null and (c.number < %(before)s::bigint or %(before)s::bigint is null)
order by c.number desc
limit %(rows)s

-- name: look_up_places
-- What is there of some rows: the places that the cell for the parent may mean (all codes from the country on, or one code that only one place has), and
-- the place itself, by its number or by its code below that parent. The number of a place that was moved means the one that follows it. Served by
-- place_by_parent and boundary_change_place_by_place; codes alone are looked for in one pass over the open places.
with recursive wanted as (
    select w.parent, w.code, w.id, w.at
    from unnest(%(parents)s::text[], %(codes)s::text[], %(ids)s::bigint[]) with ordinality w (parent, code, id, at)),
paths as (
    select distinct w.parent from wanted w where w.parent is not null),
walked as (
    select p.parent, c.id, c.code as taken
    from paths p
    join place c on c.parent_id is null and c.closed_at is null and c.deleted_at is null
        and (p.parent = c.code or starts_with(p.parent, c.code || '/'))
    union all
    select w.parent, c.id, w.taken || '/' || c.code
    from walked w
    join place c on c.parent_id = w.id and c.closed_at is null and c.deleted_at is null
        and (w.parent = w.taken || '/' || c.code or starts_with(w.parent, w.taken || '/' || c.code || '/'))),
meant as materialized (
    select e.parent, count(*) as places, min(e.id) as id
    from (
        select w.parent, w.id from walked w where w.taken = w.parent
        union all
        select p.parent, c.id
        from paths p
        join place c on c.code = p.parent and c.closed_at is null and c.deleted_at is null
        where not exists (select 1 from walked w where w.parent = p.parent and w.taken = p.parent)) e
    group by e.parent),
followed as (
    select w.at, w.id, 0 as step from wanted w where w.id is not null
    union all
    select f.at, b.successor_id, f.step + 1
    from followed f
    join place p on p.id = f.id and p.closed_at is not null
    join boundary_change_place b on b.place_id = f.id
    join boundary_change k on k.id = b.boundary_change_id and k.kind = 'move' and k.undone_at is null
    where f.step < 100),
last as (
    select distinct on (f.at) f.at, f.id from followed f order by f.at, f.step desc)
select coalesce(m.places, 0) as parents, m.id as parent_id, t.id as place_id, t.parent_id as place_parent_id, (
        select string_agg(a.code, '/' order by u.at)
        from unnest(t.lineage) with ordinality u (id, at)
        join place a on a.id = u.id
        where u.id <> t.id) as place_parent,
    t.kind::text as kind, t.code, t.name_local, t.name_latin, t.version, t.deleted_at is not null as is_deleted, t.closed_at is not null as is_closed
from wanted w
left join meant m on m.parent = w.parent
left join last l on l.at = w.at
left join lateral (
    select p.id, p.parent_id, p.lineage, p.kind, p.code, p.name_local, p.name_latin, p.version, p.deleted_at, p.closed_at
    from place p
    where p.id = l.id
    union all
    select p.id, p.parent_id, p.lineage, p.kind, p.code, p.name_local, p.name_latin, p.version, p.deleted_at, p.closed_at
    from place p
    where w.id is null and p.parent_id = m.id and p.code = w.code and p.closed_at is null
    union all
    select p.id, p.parent_id, p.lineage, p.kind, p.code, p.name_local, p.name_latin, p.version, p.deleted_at, p.closed_at
    from place p
    where w.id is null and w.parent is null and p.parent_id is null and p.code = w.code and p.closed_at is null
    limit 1) t on true
order by w.at

-- name: place_that_follows
-- The place that follows one that was moved. Served by the primary key.
select b.successor_id from boundary_change_place b where b.boundary_change_id = %(change_id)s::uuid and b.place_id = %(id)s

-- name: remove_place
-- Takes a place away that nothing hangs on or hung on. Served by the primary key and the indexes of what hangs on places.
delete from place p
where p.id = %(id)s
    and not exists (select 1 from place c where c.parent_id = p.id)
    and not exists (select 1 from school sc where sc.place_id = p.id)
    and not exists (select 1 from school_place m where m.place_id = p.id)
    and not exists (select 1 from boundary_change_place b where b.place_id = p.id or b.successor_id = p.id)
    and not exists (select 1 from boundary_change_school b where b.from_place_id = p.id or b.to_place_id = p.id)
    and not exists (select 1 from verification_draw d where d.place_id = p.id)
    and not exists (select 1 from place_visits v where v.place_id = p.id)

-- name: look_up_classes
-- What is there of some rows: the school, and the class by its number or by year, grade and section. Served by school_code_is_unique and class_is_unique.
select sc.id as school_id, c.id as class_id, c.school_id as class_school_id, c.school_year_id, c.grade, c.section, c.version,
    c.deleted_at is not null as is_deleted
from unnest(%(school_codes)s::text[], %(school_year_ids)s::bigint[], %(grades)s::integer[], %(sections)s::text[], %(ids)s::bigint[])
    with ordinality w (school_code, school_year_id, grade, section, id, at)
left join school sc on sc.code = w.school_code and sc.deleted_at is null
left join lateral (
    select k.id, k.school_id, k.school_year_id, k.grade, k.section, k.version, k.deleted_at from class k where k.id = w.id
    union all
    select k.id, k.school_id, k.school_year_id, k.grade, k.section, k.version, k.deleted_at
    from class k
    where w.id is null and k.school_id = sc.id and k.school_year_id = w.school_year_id and k.grade = w.grade and k.section = coalesce(w.section, '')
    limit 1) c on true
order by w.at

-- name: remove_class
-- Takes a class away in which nobody is or was. Served by the primary key and the indexes of what names classes.
delete from class c
where c.id = %(id)s
    and not exists (select 1 from student st where st.class_id = c.id)
    and not exists (select 1 from past_enrolment p where p.class_id = c.id)
    and not exists (select 1 from assignment s where s.class_id = c.id)
    and not exists (select 1 from school_change_child k where k.from_class_id = c.id or k.to_class_id = c.id)
    and not exists (select 1 from result r where r.school_id = c.school_id and r.class_id = c.id)

-- name: look_up_people
-- What is there of some rows: the account that is in use, or one that was deleted (by the undoing of an import for one), and the assignments that its
-- end would end. Served by person_by_username and assignment_by_person.
select p.id as person_id, p.display_name, p.role::text as role, p.email, p.language, p.is_active, p.version, p.deleted_at is not null as is_deleted,
    p.deleted_at is not null and p.delete_reason = %(undone)s as was_undone,
    array(select a.id from assignment a where a.person_id = p.id and a.ended_at is null order by a.id) as assignments
from unnest(%(usernames)s::text[]) with ordinality w (username, at)
left join lateral (
    select n.id, n.display_name, n.role, n.email, n.language, n.is_active, n.version, n.deleted_at, n.delete_reason
    from person n
    where n.username = w.username
    order by n.deleted_at is not null, n.id desc
    limit 1) p on true
order by w.at

-- name: what_stands_on_person
-- Whether somebody is or ever was assigned to a school, and whether anything opens or opened the account. Served by assignment_by_person and the keys of
-- what opens accounts.
select exists (select 1 from assignment a where a.person_id = p.id) as was_assigned,
    p.password_hash is not null or exists (select 1 from one_time_code c where c.person_id = p.id)
        or exists (select 1 from person_pin n where n.person_id = p.id) or exists (select 1 from person_session s where s.person_id = p.id) as has_keys
from person p
where p.id = %(id)s

-- name: look_up_assignments
-- What is there of some rows: the person (one who was deleted where there is no other), the school, the class, and the assignment by its number, or by
-- all of these and its first day, or else the one that is in force or to come. Served by person_by_username, school_code_is_unique, class_is_unique
-- and assignment_by_person.
select p.id as person_id, p.deleted_at is not null as is_person_deleted, sc.id as school_id, c.id as class_id, a.id as assignment_id,
    coalesce(w.id is not null and (n.username, a.school_id, a.subject::text, a.class_id, coalesce(w.from_on, a.from_on))
        is distinct from (w.username, sc.id, w.subject, c.id, a.from_on), false) as is_another,
    a.from_on, a.to_on, a.ended_at
from unnest(%(usernames)s::text[], %(school_codes)s::text[], %(subjects)s::text[], %(grades)s::integer[], %(sections)s::text[],
        %(class_year_ids)s::bigint[], %(from_ons)s::date[], %(ids)s::bigint[])
    with ordinality w (username, school_code, subject, grade, section, school_year_id, from_on, id, at)
left join lateral (
    select o.id, o.deleted_at from person o where o.username = w.username order by o.deleted_at is not null, o.id desc limit 1) p on true
left join school sc on sc.code = w.school_code and sc.deleted_at is null
left join class c on w.grade is not null and c.school_id = sc.id and c.school_year_id = w.school_year_id and c.grade = w.grade
    and c.section = coalesce(w.section, '')
left join lateral (
    select e.id, e.person_id, e.school_id, e.subject, e.class_id, e.from_on, e.to_on, e.ended_at from assignment e where e.id = w.id
    union all
    (select e.id, e.person_id, e.school_id, e.subject, e.class_id, e.from_on, e.to_on, e.ended_at
    from assignment e
    where w.id is null and e.person_id = p.id and e.school_id = sc.id and e.subject::text = w.subject and e.class_id is not distinct from c.id
        and (w.grade is null or c.id is not null)
        and (e.from_on = w.from_on or (w.from_on is null and e.ended_at is null and (e.to_on is null or e.to_on >= %(today)s::date)))
    order by e.ended_at is not null, e.id desc
    limit 1)
    limit 1) a on true
left join person n on n.id = a.person_id
order by w.at

-- name: read_assignment_to_undo
-- An assignment as it stands, and whether the person tested children at the school or visited it since. Served by the primary key, result_by_school and
-- visit_by_school.
select a.person_id, p.is_active and p.deleted_at is null as is_person_in_use, p.role::text as role, a.to_on, a.ended_at,
    exists (select 1 from result r where r.school_id = a.school_id and r.assessor_id = a.person_id and r.deleted_at is null
            and r.created_at > %(since)s)
        or exists (select 1 from visit v where v.school_id = a.school_id and v.mentor_id = a.person_id and v.created_at > %(since)s) as has_worked,
    sc.deleted_at is null and c.deleted_at is null as is_place_there
from assignment a
join person p on p.id = a.person_id
join school sc on sc.id = a.school_id
left join class c on c.id = a.class_id
where a.id = %(id)s

-- name: remove_assignment
-- Takes an assignment away. Served by the primary key.
delete from assignment where id = %(id)s

-- name: run_again
-- Lets an assignment run on that was ended. Served by the primary key.
update assignment set ended_at = null where id = %(id)s and ended_at is not null
