-- name: places_below
-- The open places that hang on some places. Served by place_by_parent.
select id, parent_id
from place
where parent_id = any(%(place_ids)s::bigint[]) and deleted_at is null and closed_at is null
order by id
limit %(rows)s

-- name: schools_in_places
-- The schools that stand in some places, removed ones too, held in the order of their ids. Served by school_place_by_place.
select s.id, s.place_id
from school s
where s.id in (select m.school_id from school_place m where m.place_id = any(%(place_ids)s::bigint[]) and m.until_at is null)
order by s.id
limit %(rows)s
--? hold: for no key update of s

-- name: counted_in_rounds
-- What each round counts in some places, and whether it stays there. Served by place_count's primary key.
select r.id as round_id, r.kind::text as kind, y.name as year_name, r.roll_at is not null as stays,
    sum(c.absent + c.refused + c.went + c.rank_1 + c.rank_2 + c.rank_3 + c.rank_4 + c.rank_5 + c.rank_6 + c.rank_7 + c.rank_8 + c.rank_9)::integer as results
from round r
join school_year y on y.id = r.school_year_id
join place_count c on c.round_id = r.id and c.place_id = any(%(place_ids)s::bigint[])
where r.deleted_at is null
group by r.id, r.kind, y.name, r.roll_at, r.starts_on
having sum(c.absent + c.refused + c.went + c.rank_1 + c.rank_2 + c.rank_3 + c.rank_4 + c.rank_5 + c.rank_6 + c.rank_7 + c.rank_8 + c.rank_9) > 0
order by r.starts_on desc
limit 100

-- name: counted_at_school
-- What each round counts of a school, and whether it stays there. Served by school_count's primary key.
select r.id as round_id, r.kind::text as kind, y.name as year_name, r.roll_at is not null as stays,
    sum(c.absent + c.refused + c.went + c.rank_1 + c.rank_2 + c.rank_3 + c.rank_4 + c.rank_5 + c.rank_6 + c.rank_7 + c.rank_8 + c.rank_9)::integer as results
from round r
join school_year y on y.id = r.school_year_id
join school_count c on c.round_id = r.id and c.school_id = %(school_id)s
where r.deleted_at is null
group by r.id, r.kind, y.name, r.roll_at, r.starts_on
having sum(c.absent + c.refused + c.went + c.rank_1 + c.rank_2 + c.rank_3 + c.rank_4 + c.rank_5 + c.rank_6 + c.rank_7 + c.rank_8 + c.rank_9) > 0
order by r.starts_on desc
limit 100

-- name: hold_rolls
-- Before schools are moved: no round's roll is fixed or let go meanwhile. Bounded by three rounds a year.
select hold_rolls()

-- name: instant
-- The instant of a change: now, and after every roll that was fixed.
select after_rolls(%(now)s::timestamptz) as at

-- name: say_move
-- Says for the rest of the transaction why schools are moved, by whom and when (trigger keep_school_place).
select set_config('rightlevel.moving', %(reason)s, true) as reason, set_config('rightlevel.moving_by', %(person_id)s::text, true) as person_id,
    set_config('rightlevel.moving_at', %(at)s::text, true) as moved_at

-- name: hold_places
-- Holds places so that nothing is hung on them, moved or closed meanwhile, in the order of their ids. Served by the primary key.
select count(*) as held
from (select id from place where id = any(%(place_ids)s::bigint[]) and deleted_at is null order by id for update) held

-- name: close_places
-- Closes places that nothing hangs on any more.
update place
set closed_at = %(at)s, closed_by = %(person_id)s, close_reason = %(reason)s, version = version + 1
where id = any(%(place_ids)s::bigint[]) and closed_at is null

-- name: reopen_places
-- Opens places again.
update place
set closed_at = null, closed_by = null, close_reason = null, version = version + 1
where id = any(%(place_ids)s::bigint[]) and closed_at is not null

-- name: make_place
-- Makes a place that follows.
insert into place (parent_id, kind, code, name_local, name_latin)
values (%(parent_id)s, %(kind)s::place_kind, %(code)s, %(name_local)s, %(name_latin)s)
returning id

-- name: make_places_below
-- Makes a place that follows each of some, with its kind, code and names, below its new parent.
insert into place (parent_id, kind, code, name_local, name_latin)
select w.parent_id, p.kind, p.code, p.name_local, p.name_latin
from unnest(%(place_ids)s::bigint[], %(parent_ids)s::bigint[]) as w (place_id, parent_id)
join place p on p.id = w.place_id
order by w.place_id

-- name: made_below
-- The places that were made so, each with the one it follows. Served by place_code_is_unique_below_its_parent.
select w.place_id as id, n.id as parent_id
from unnest(%(place_ids)s::bigint[], %(parent_ids)s::bigint[]) as w (place_id, parent_id)
join place p on p.id = w.place_id
join place n on n.parent_id = w.parent_id and n.code = p.code and n.closed_at is null

-- name: move_schools
-- Takes schools to other places; counts of rounds whose roll isn't fixed go along (trigger keep_school_place).
update school s
set place_id = w.place_id, version = s.version + 1
from unnest(%(school_ids)s::bigint[], %(place_ids)s::bigint[]) as w (school_id, place_id)
where s.id = w.school_id

-- name: keep_change
-- Writes a change down, unless this id is taken.
insert into boundary_change (id, kind, reason, schools, made_at, made_by)
values (%(id)s::uuid, %(kind)s, %(reason)s, %(schools)s, %(at)s, %(person_id)s)
on conflict (id) do nothing

-- name: keep_followed
-- Writes down which places follow which.
insert into boundary_change_place (boundary_change_id, place_id, successor_id, is_new)
select %(id)s::uuid, w.place_id, w.successor_id, w.is_new
from unnest(%(place_ids)s::bigint[], %(successor_ids)s::bigint[], %(new)s::boolean[]) as w (place_id, successor_id, is_new)

-- name: keep_moved
-- Writes down which schools went from where to where.
insert into boundary_change_school (boundary_change_id, school_id, from_place_id, to_place_id)
select %(id)s::uuid, w.school_id, w.from_place_id, w.to_place_id
from unnest(%(school_ids)s::bigint[], %(from_place_ids)s::bigint[], %(to_place_ids)s::bigint[]) as w (school_id, from_place_id, to_place_id)

-- name: list_changes
-- Changes of places, the latest first. Served by boundary_change_by_time.
select b.id::text as id, b.kind, b.reason, b.schools, b.made_at, p.display_name as made_by, b.undone_at is not null as is_undone
from boundary_change b
join person p on p.id = b.made_by
where true
--? by_id: and b.id = %(id)s::uuid
--? after: and (b.made_at, b.id) < (select k.made_at, k.id from boundary_change k where k.id = %(after_id)s::uuid)
order by b.made_at desc, b.id desc
limit %(rows)s

-- name: followed
-- The places of some changes with those that follow them, the highest first.
select n.boundary_change_id::text as change_id, n.place_id, o.name_local as place_name, n.successor_id, s.name_local as successor_name
from boundary_change_place n
join place o on o.id = n.place_id
join place s on s.id = n.successor_id
where n.boundary_change_id = any(%(ids)s::uuid[])
order by n.boundary_change_id, cardinality(o.lineage), n.place_id, n.successor_id
limit 1000

-- name: change_to_undo
-- A change that stands, held. Served by the primary key.
select id::text as id, kind
from boundary_change
where id = %(id)s::uuid and undone_at is null
for update

-- name: places_of_change
-- The places of a change with those that follow them: whether each is closed, and whether the follower is new.
select n.place_id, n.successor_id, n.is_new, o.closed_at is not null as is_closed, f.closed_at is not null or f.deleted_at is not null as is_successor_closed,
    a.closed_at is not null or a.deleted_at is not null as is_parent_closed, o.parent_id
from boundary_change_place n
join place o on o.id = n.place_id
join place f on f.id = n.successor_id
left join place a on a.id = o.parent_id
where n.boundary_change_id = %(id)s::uuid
order by cardinality(o.lineage), n.place_id
limit 100000

-- name: schools_of_change
-- The schools of a change: where each came from, where it was taken, and where it stands, held in the order of their ids.
select c.school_id, c.from_place_id, c.to_place_id, s.place_id
from boundary_change_school c
join school s on s.id = c.school_id
where c.boundary_change_id = %(id)s::uuid
order by c.school_id
for no key update of s

-- name: added_since
-- Schools and places that stand in some places and are not among some.
select (select count(*) from school s where s.place_id = any(%(place_ids)s::bigint[]) and not s.id = any(%(school_ids)s::bigint[]))
    + (select count(*) from place p where p.parent_id = any(%(place_ids)s::bigint[]) and p.deleted_at is null and p.closed_at is null
        and not p.id = any(%(place_ids)s::bigint[])) as added

-- name: mark_undone
-- Writes down that a change was undone.
update boundary_change
set undone_at = %(at)s, undone_by = %(person_id)s, undo_reason = %(reason)s
where id = %(id)s::uuid and undone_at is null

-- name: children_going
-- The active children of a school, or of some of its classes, by class and code. Served by student_by_school.
select st.id::text as id, st.version, st.school_year_id, st.class_id, st.grade, coalesce(c.section, '') as section, st.code,
    st.erased_at is not null as is_erased
from student st
left join class c on c.id = st.class_id
where st.school_id = %(school_id)s and st.status = 'active' and st.deleted_at is null
--? of_classes: and st.class_id = any(%(class_ids)s::bigint[])
order by st.id
limit %(rows)s
--? hold: for no key update of st

-- name: classes_there
-- The classes of a school, removed ones too. Served by class_is_unique.
select id, school_year_id, grade, section, deleted_at is not null as is_deleted
from class
where school_id = %(school_id)s
limit 10000

-- name: bring_class
-- Makes a class, or brings a removed one back.
insert into class (school_id, school_year_id, grade, section)
values (%(school_id)s, %(school_year_id)s, %(grade)s, %(section)s)
on conflict (school_id, school_year_id, grade, section) do update
set deleted_at = null, deleted_by = null, delete_reason = null, version = class.version + 1
returning id

-- name: people_at
-- How many people are assigned to a school today. Served by assignment_by_school.
select count(distinct person_id)::integer as people
from assignment
where school_id = %(school_id)s and ended_at is null

-- name: codes_there
-- How many children's codes a school has already. Served by student_code_is_unique_in_its_school.
select count(*)::integer as codes
from student
where school_id = %(school_id)s and deleted_at is null and code = any(%(codes)s::text[])

-- name: keep_school_change
-- Writes a merge or split down.
insert into school_change (id, kind, from_school_id, to_school_id, reason, children, moved_on, made_at, made_by)
values (%(id)s::uuid, %(kind)s, %(from_school_id)s, %(to_school_id)s, %(reason)s, %(children)s, %(moved_on)s, %(now)s, %(person_id)s)

-- name: keep_child
-- Writes down that a child went.
insert into school_change_child (school_change_id, student_id, from_class_id, to_class_id, from_code, grade)
values (%(id)s::uuid, %(student_id)s::uuid, %(from_class_id)s, %(to_class_id)s, %(from_code)s, %(grade)s)

-- name: mark_merged
-- Closes a school that was merged into another, or opens it again.
update school
set status = %(status)s, merged_into = %(into)s, version = version + 1
where id = %(school_id)s

-- name: list_school_changes
-- Merges and splits of a school, the latest first. Served by school_change_by_from and school_change_by_to.
select c.id::text as id, c.kind, c.from_school_id, f.name_local as from_school, c.to_school_id, t.name_local as to_school, c.reason, c.children,
    c.moved_on, c.made_at, p.display_name as made_by, c.undone_at is not null as is_undone
from school_change c
join school f on f.id = c.from_school_id
join school t on t.id = c.to_school_id
join person p on p.id = c.made_by
where true
--? by_id: and c.id = %(id)s::uuid
--? by_school: and (c.from_school_id = %(school_id)s or c.to_school_id = %(school_id)s)
--? after: and (c.made_at, c.id) < (select k.made_at, k.id from school_change k where k.id = %(after_id)s::uuid)
order by c.made_at desc, c.id desc
limit %(rows)s

-- name: hold_school_change
-- A merge or split that stands, held. Served by the primary key.
select c.id::text as id
from school_change c
where c.id = %(id)s::uuid and c.undone_at is null
for update

-- name: children_of_change
-- The children of a merge or split, those who are still where it took them with their versions. Served by the primary keys.
select c.student_id::text as id, c.from_class_id, c.from_code, c.grade, st.version,
    st.deleted_at is null and st.status = 'active' and st.school_id = k.to_school_id and st.class_id is not distinct from c.to_class_id
        and st.grade = c.grade and st.erased_at is null as is_there
from school_change_child c
join school_change k on k.id = c.school_change_id
join student st on st.id = c.student_id
where c.school_change_id = %(id)s::uuid
order by c.student_id
for no key update of st

-- name: mark_school_undone
-- Writes down that a merge or split was undone.
update school_change
set undone_at = %(now)s, undone_by = %(person_id)s, undo_reason = %(reason)s
where id = %(id)s::uuid and undone_at is null
