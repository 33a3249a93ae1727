-- fragment: trial_columns
-- A draw with how many schools work each way, in how many strata.
select t.id, t.name, t.way_a, t.way_b, t.place_id, p.name_local as place_name, t.strata_depth::integer as strata_depth, t.seed, t.drawn_at,
    w.display_name as drawn_by, n.schools_a, n.schools_b, n.strata
from trial t
join person w on w.id = t.drawn_by
left join place p on p.id = t.place_id
cross join lateral (
    select (count(*) filter (where not s.is_b))::integer as schools_a, (count(*) filter (where s.is_b))::integer as schools_b,
        count(distinct s.stratum_id)::integer as strata
    from trial_school s
    where s.trial_id = t.id) n

-- name: eligible_schools
-- The open schools of a place, or all, with the place of a level that each stands on (its own where it stands higher). Reads the schools of the place.
select s.id, case when %(depth)s::integer = 0 then 0 else p.lineage[least(%(depth)s::integer, cardinality(p.lineage))] end::bigint as stratum_id
from school s
join place p on p.id = s.place_id
where s.deleted_at is null and s.status = 'open' and not s.is_practice
    and (%(place_id)s::bigint is null or p.lineage @> array[%(place_id)s::bigint])
order by s.id
limit %(rows)s

-- name: place_is_there
-- Whether there is such a place. Served by place's primary key.
select exists (select from place where id = %(id)s and deleted_at is null) as is_there

-- name: insert_trial
-- Keeps a draw.
insert into trial (name, way_a, way_b, place_id, strata_depth, seed, drawn_at, drawn_by)
values (%(name)s, %(way_a)s, %(way_b)s, %(place_id)s, %(strata_depth)s, %(seed)s, %(now)s, %(by)s)
returning id

-- name: insert_schools
-- Keeps the schools of a draw.
insert into trial_school (trial_id, school_id, stratum_id, is_b)
select %(trial_id)s, d.id, d.stratum_id, d.is_b
from unnest(%(ids)s::bigint[], %(strata)s::bigint[], %(ways)s::boolean[]) as d (id, stratum_id, is_b)

-- name: find_trial
-- One draw. Served by the primary keys of trial and trial_school.
--> trial_columns
where t.id = %(id)s

-- name: list_trials
-- Draws, the last first. Served by trial's primary key.
--> trial_columns
where %(before_id)s::bigint is null or t.id < %(before_id)s
order by t.id desc
limit %(rows)s

-- name: list_trial_schools
-- The schools of a draw, by id. Served by trial_school's primary key.
select d.school_id, s.code, s.name_local, p.name_local as stratum_name, d.is_b, s.status <> 'open' or s.deleted_at is not null as is_closed
from trial_school d
join school s on s.id = d.school_id
left join place p on p.id = d.stratum_id
where d.trial_id = %(trial_id)s and (%(after_id)s::bigint is null or d.school_id > %(after_id)s)
order by d.school_id
limit %(rows)s

-- name: sums_by_school
-- What is counted of each school of a draw between two rounds, from the kept counts of schools: where its children sat in the first. School by school.
-- Served by the primary keys of trial_school, school_count and school_movement.
select d.school_id, s.code, s.name_local, d.stratum_id, d.is_b, coalesce(f.assessed, 0)::integer as assessed, coalesce(g.matched, 0)::integer as matched,
    coalesce(g.improved, 0)::integer as improved, coalesce(g.shift, 0)::integer as shift
from trial_school d
join school s on s.id = d.school_id
left join lateral (
    select sum(c.rank_1 + c.rank_2 + c.rank_3 + c.rank_4 + c.rank_5 + c.rank_6 + c.rank_7 + c.rank_8 + c.rank_9) as assessed
    from school_count c
    where c.school_id = d.school_id and c.round_id = %(round_id)s and c.subject = %(subject)s::subject) f on true
left join lateral (
    select sum(m.rank_1 + m.rank_2 + m.rank_3 + m.rank_4 + m.rank_5 + m.rank_6 + m.rank_7 + m.rank_8 + m.rank_9) as matched,
        sum(case when 1 > m.from_rank then m.rank_1 else 0 end + case when 2 > m.from_rank then m.rank_2 else 0 end + case when 3 > m.from_rank then m.rank_3 else 0 end +
        case when 4 > m.from_rank then m.rank_4 else 0 end + case when 5 > m.from_rank then m.rank_5 else 0 end + case when 6 > m.from_rank then m.rank_6 else 0 end +
        case when 7 > m.from_rank then m.rank_7 else 0 end + case when 8 > m.from_rank then m.rank_8 else 0 end + case when 9 > m.from_rank then m.rank_9 else 0 end) as improved,
        sum((1 - m.from_rank) * m.rank_1 + (2 - m.from_rank) * m.rank_2 + (3 - m.from_rank) * m.rank_3 + (4 - m.from_rank) * m.rank_4 +
        (5 - m.from_rank) * m.rank_5 + (6 - m.from_rank) * m.rank_6 + (7 - m.from_rank) * m.rank_7 + (8 - m.from_rank) * m.rank_8 +
        (9 - m.from_rank) * m.rank_9) as shift
    from school_movement m
    where m.school_id = d.school_id and m.round_id = %(round_id)s and m.later_round_id = %(later_round_id)s and m.subject = %(subject)s::subject) g on true
where d.trial_id = %(trial_id)s
order by d.school_id
limit %(rows)s
