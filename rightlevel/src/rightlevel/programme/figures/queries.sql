-- fragment: summed_counts
-- The counts (c) in one row, with how many were enrolled.
select coalesce(sum(c.absent), 0)::bigint as absent, coalesce(sum(c.refused), 0)::bigint as refused, coalesce(sum(c.went), 0)::bigint as went,
    coalesce(sum(c.rank_1), 0)::bigint as rank_1, coalesce(sum(c.rank_2), 0)::bigint as rank_2, coalesce(sum(c.rank_3), 0)::bigint as rank_3,
    coalesce(sum(c.rank_4), 0)::bigint as rank_4, coalesce(sum(c.rank_5), 0)::bigint as rank_5, coalesce(sum(c.rank_6), 0)::bigint as rank_6,
    coalesce(sum(c.rank_7), 0)::bigint as rank_7, coalesce(sum(c.rank_8), 0)::bigint as rank_8, coalesce(sum(c.rank_9), 0)::bigint as rank_9,
    (select children from enrolled) as enrolled

-- name: place_figures
-- The counts of a place, or (without one) of all countries, from their 32 shards: by the districts of the round's time, or by today's, which adds what
-- moved. Place by place: joined as a whole, the counts of every place would be read for one of them. Served by the primary keys of place_count,
-- place_roll, place_enrolled and of what moved.
with unit as materialized (
    select id from place where id = %(place_id)s::bigint
    union all
    select id from place where %(place_id)s::bigint is null and parent_id is null and deleted_at is null
), enrolled as (
    select coalesce(sum(e.children), 0)::bigint as children
    from unit
    cross join lateral (
        select k.grade, k.sex, k.children
        from place_roll k
        where k.place_id = unit.id and k.round_id = %(round_id)s and k.subject = %(subject)s::subject
        union all
        select m.grade, m.sex, m.children
        from place_roll_moved m
        where %(boundaries)s::text = 'today' and m.place_id = unit.id and m.round_id = %(round_id)s and m.subject = %(subject)s::subject
        union all
        select n.grade, n.sex, n.children
        from place_enrolled n
        where n.place_id = unit.id and n.school_year_id = (select school_year_id from round where id = %(round_id)s and roll_number is null)) e
    where (%(grade)s::smallint is null or e.grade = %(grade)s) and (%(sex)s::smallint is null or e.sex = %(sex)s)
)
--> summed_counts
from unit
cross join lateral (
    select k.grade, k.sex, k.absent, k.refused, k.went, k.rank_1, k.rank_2, k.rank_3, k.rank_4, k.rank_5, k.rank_6,
            k.rank_7, k.rank_8, k.rank_9
    from place_count k
    where k.place_id = unit.id and k.round_id = %(round_id)s and k.subject = %(subject)s::subject
    union all
    select m.grade, m.sex, m.absent, m.refused, m.went, m.rank_1, m.rank_2, m.rank_3, m.rank_4, m.rank_5, m.rank_6,
            m.rank_7, m.rank_8, m.rank_9
    from place_count_moved m
    where %(boundaries)s::text = 'today' and m.place_id = unit.id and m.round_id = %(round_id)s and m.subject = %(subject)s::subject) c
where (%(grade)s::smallint is null or c.grade = %(grade)s) and (%(sex)s::smallint is null or c.sex = %(sex)s)

-- name: school_figures
-- The counts of some schools, below a place those that stood there in the round, or stand there today. Removed schools keep what was counted there.
-- School by school: joined as a whole, the counts of the whole country would be read for one of them. Served by the primary keys of school,
-- school_place, school_count, school_roll and school_enrolled.
with unit as materialized (
    select s.id
    from school s
    join place p on p.id = s.place_id
    where s.id = any(%(school_ids)s::bigint[])
        and (%(in_place)s::bigint is null
            or case %(boundaries)s::text when 'today' then p.lineage else lineage_for(s.id, %(round_id)s::bigint) end @> array[%(in_place)s::bigint])
), enrolled as (
    select coalesce(sum(e.children), 0)::bigint as children
    from unit
    cross join lateral (
        select k.grade, k.sex, k.children
        from school_roll k
        where k.school_id = unit.id and k.round_id = %(round_id)s and k.subject = %(subject)s::subject
        union all
        select n.grade, n.sex, n.children
        from school_enrolled n
        where n.school_id = unit.id and n.school_year_id = (select school_year_id from round where id = %(round_id)s and roll_number is null)) e
    where (%(grade)s::smallint is null or e.grade = %(grade)s) and (%(sex)s::smallint is null or e.sex = %(sex)s)
)
--> summed_counts
from unit
join school_count c on c.school_id = unit.id
where c.round_id = %(round_id)s and c.subject = %(subject)s::subject
    and (%(grade)s::smallint is null or c.grade = %(grade)s) and (%(sex)s::smallint is null or c.sex = %(sex)s)

-- fragment: shown_breakdown
-- What is counted under each key, in order; of rounds also those without anything.
select key.key, key.label,
    coalesce(c.absent, 0)::bigint as absent, coalesce(c.refused, 0)::bigint as refused, coalesce(c.went, 0)::bigint as went,
    coalesce(c.rank_1, 0)::bigint as rank_1, coalesce(c.rank_2, 0)::bigint as rank_2, coalesce(c.rank_3, 0)::bigint as rank_3,
    coalesce(c.rank_4, 0)::bigint as rank_4, coalesce(c.rank_5, 0)::bigint as rank_5, coalesce(c.rank_6, 0)::bigint as rank_6,
    coalesce(c.rank_7, 0)::bigint as rank_7, coalesce(c.rank_8, 0)::bigint as rank_8, coalesce(c.rank_9, 0)::bigint as rank_9,
    coalesce(e.children, 0)::bigint as enrolled
from key
left join counted c on c.key = key.key
left join enrolled e on e.key = key.key
where %(by)s::text = 'rounds' or c.key is not null or e.key is not null
order by key.place_in_order

-- fragment: keys_of_breakdown
-- By what counts are told apart: the rounds, grades or sexes.
select r.id as key, to_char(r.starts_on, 'YYYY-MM-DD') as place_in_order, r.kind::text as label from rounds r where %(by)s::text = 'rounds'
union all
select g.grade, to_char(g.grade, '000'), g.grade::text from generate_series(1, 12) g (grade) where %(by)s::text = 'grades'
union all
select s.sex, s.sex::text, s.sex::text from unnest(array[1, 2, 0, 9]) s (sex) where %(by)s::text = 'sexes'

-- name: place_breakdown
-- The counts of a place or all countries, apart by round, grade or sex. Served by the primary keys of place_count, place_roll, place_enrolled and of what
-- moved.
with unit as materialized (
    select id from place where id = %(place_id)s::bigint
    union all
    select id from place where %(place_id)s::bigint is null and parent_id is null and deleted_at is null
), rounds as materialized (
    -- of the round's year, where they are told apart
    select r.id, r.starts_on, r.kind, r.school_year_id, r.roll_number
    from round r
    join round asked on asked.id = %(round_id)s
    where r.deleted_at is null
        and case %(by)s::text when 'rounds' then r.school_year_id = asked.school_year_id else r.id = asked.id end
), key as (
    --> keys_of_breakdown
), counted as (
    select case %(by)s::text when 'rounds' then c.round_id when 'grades' then c.grade else c.sex end as key,
        sum(c.absent) as absent, sum(c.refused) as refused, sum(c.went) as went, sum(c.rank_1) as rank_1, sum(c.rank_2) as rank_2,
        sum(c.rank_3) as rank_3, sum(c.rank_4) as rank_4, sum(c.rank_5) as rank_5, sum(c.rank_6) as rank_6, sum(c.rank_7) as rank_7,
        sum(c.rank_8) as rank_8, sum(c.rank_9) as rank_9
    from unit
    cross join rounds
    cross join lateral (
        select k.round_id, k.grade, k.sex, k.absent, k.refused, k.went, k.rank_1, k.rank_2, k.rank_3, k.rank_4, k.rank_5, k.rank_6,
            k.rank_7, k.rank_8, k.rank_9
        from place_count k
        where k.place_id = unit.id and k.round_id = rounds.id and k.subject = %(subject)s::subject
        union all
        select m.round_id, m.grade, m.sex, m.absent, m.refused, m.went, m.rank_1, m.rank_2, m.rank_3, m.rank_4, m.rank_5, m.rank_6,
            m.rank_7, m.rank_8, m.rank_9
        from place_count_moved m
        where %(boundaries)s::text = 'today' and m.place_id = unit.id and m.round_id = rounds.id and m.subject = %(subject)s::subject) c
    where (%(grade)s::smallint is null or c.grade = %(grade)s) and (%(sex)s::smallint is null or c.sex = %(sex)s)
    group by 1
), enrolled as (
    select case %(by)s::text when 'rounds' then e.round_id when 'grades' then e.grade else e.sex end as key, sum(e.children) as children
    from unit
    cross join rounds
    cross join lateral (
        select k.round_id, k.grade, k.sex, k.children
        from place_roll k
        where k.place_id = unit.id and k.round_id = rounds.id and k.subject = %(subject)s::subject
        union all
        select m.round_id, m.grade, m.sex, m.children
        from place_roll_moved m
        where %(boundaries)s::text = 'today' and m.place_id = unit.id and m.round_id = rounds.id and m.subject = %(subject)s::subject
        union all
        select rounds.id, n.grade, n.sex, n.children
        from place_enrolled n
        where n.place_id = unit.id and n.school_year_id = rounds.school_year_id and rounds.roll_number is null) e
    where (%(grade)s::smallint is null or e.grade = %(grade)s) and (%(sex)s::smallint is null or e.sex = %(sex)s)
    group by 1
)
--> shown_breakdown
limit 20

-- name: school_breakdown
-- The counts of some schools, apart by round, grade or sex; below a place each round's own schools. Served by the primary keys of school, school_place,
-- school_count, school_roll and school_enrolled.
with rounds as materialized (
    -- of the round's year, where they are told apart
    select r.id, r.starts_on, r.kind, r.school_year_id, r.roll_number
    from round r
    join round asked on asked.id = %(round_id)s
    where r.deleted_at is null
        and case %(by)s::text when 'rounds' then r.school_year_id = asked.school_year_id else r.id = asked.id end
), key as (
    --> keys_of_breakdown
), unit as materialized (
    select s.id, r.id as round_id, r.school_year_id, r.roll_number
    from school s
    join place p on p.id = s.place_id
    cross join rounds r
    where s.id = any(%(school_ids)s::bigint[])
        and (%(in_place)s::bigint is null
            or case %(boundaries)s::text when 'today' then p.lineage else lineage_for(s.id, r.id) end @> array[%(in_place)s::bigint])
), counted as (
    select case %(by)s::text when 'rounds' then c.round_id when 'grades' then c.grade else c.sex end as key,
        sum(c.absent) as absent, sum(c.refused) as refused, sum(c.went) as went, sum(c.rank_1) as rank_1, sum(c.rank_2) as rank_2,
        sum(c.rank_3) as rank_3, sum(c.rank_4) as rank_4, sum(c.rank_5) as rank_5, sum(c.rank_6) as rank_6, sum(c.rank_7) as rank_7,
        sum(c.rank_8) as rank_8, sum(c.rank_9) as rank_9
    from unit
    join school_count c on c.school_id = unit.id and c.round_id = unit.round_id
    where c.subject = %(subject)s::subject
        and (%(grade)s::smallint is null or c.grade = %(grade)s) and (%(sex)s::smallint is null or c.sex = %(sex)s)
    group by 1
), enrolled as (
    select case %(by)s::text when 'rounds' then e.round_id when 'grades' then e.grade else e.sex end as key, sum(e.children) as children
    from unit
    -- school by school, as above
    cross join lateral (
        select k.round_id, k.grade, k.sex, k.children
        from school_roll k
        where k.school_id = unit.id and k.round_id = unit.round_id and k.subject = %(subject)s::subject
        union all
        select unit.round_id, n.grade, n.sex, n.children
        from school_enrolled n
        where n.school_id = unit.id and n.school_year_id = unit.school_year_id and unit.roll_number is null) e
    where (%(grade)s::smallint is null or e.grade = %(grade)s) and (%(sex)s::smallint is null or e.sex = %(sex)s)
    group by 1
)
--> shown_breakdown
limit 20

-- name: figures_below
-- The places and schools that hang on a place (or the countries, or one's own schools), by name, each with its counts. Places come first. Those that
-- did or do hang there, and whatever is counted there though it is closed or removed: the parts always sum to the whole.
-- Served by place_by_parent, school_place_by_place and the primary keys of school and of the count tables.
with fixed as materialized (
    select roll_at from round where id = %(round_id)s
), hung as materialized (
    -- nothing for those who see only some schools
    select id from place where %(own_schools)s::bigint[] is null and parent_id = %(place_id)s::bigint
    union all
    select id from place where %(own_schools)s::bigint[] is null and %(place_id)s::bigint is null and parent_id is null
), stood as materialized (
    select unnest(%(own_schools)s::bigint[]) as id
    union
    select m.school_id
    from school_place m
    where %(own_schools)s::bigint[] is null and m.place_id = %(place_id)s::bigint
        and case %(boundaries)s::text when 'today' then m.until_at is null else stood_at(m.from_at, m.until_at, (select roll_at from fixed)) end
), unit as (
    select false as is_school, p.id, p.code, p.name_local, p.name_latin, lower(p.name_local) as sort_name, p.closed_at is not null as is_closed
    from hung
    join place p on p.id = hung.id and p.deleted_at is null
    where exists (
            select 1
            from (
                select k.grade, k.sex, k.absent, k.refused, k.went, k.rank_1, k.rank_2, k.rank_3, k.rank_4, k.rank_5, k.rank_6,
            k.rank_7, k.rank_8, k.rank_9
                from place_count k
                where k.place_id = p.id and k.round_id = %(round_id)s and k.subject = %(subject)s::subject
                union all
                select m.grade, m.sex, m.absent, m.refused, m.went, m.rank_1, m.rank_2, m.rank_3, m.rank_4, m.rank_5, m.rank_6,
            m.rank_7, m.rank_8, m.rank_9
                from place_count_moved m
                where %(boundaries)s::text = 'today' and m.place_id = p.id and m.round_id = %(round_id)s and m.subject = %(subject)s::subject) k
            group by k.grade, k.sex
            having (sum(absent), sum(refused), sum(went), sum(rank_1), sum(rank_2), sum(rank_3), sum(rank_4), sum(rank_5),
                sum(rank_6), sum(rank_7), sum(rank_8), sum(rank_9)) <> (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
        or case
            when %(boundaries)s::text = 'today' or (select roll_at from fixed) is null then p.closed_at is null
            else coalesce(p.closed_at > (select roll_at from fixed), true) and not exists (
                select 1
                from boundary_change_place n
                join boundary_change b on b.id = n.boundary_change_id
                where n.successor_id = p.id and n.is_new and b.made_at > (select roll_at from fixed))
        end
    union all
    select true as is_school, s.id, s.code, s.name_local, s.name_latin, lower(s.name_local) as sort_name, s.status = 'closed' as is_closed
    from stood
    cross join lateral (
        select w.id, w.code, w.name_local, w.name_latin, w.status, w.deleted_at from school w where w.id = stood.id and not w.is_practice offset 0) s
    where s.deleted_at is null or exists (
        select 1
        from school_count k
        where k.school_id = s.id and k.round_id = %(round_id)s
            and k.absent + k.refused + k.went + k.rank_1 + k.rank_2 + k.rank_3 + k.rank_4 + k.rank_5 + k.rank_6 + k.rank_7 + k.rank_8 + k.rank_9 > 0)
), page as (
    select u.is_school, u.id, u.code, u.name_local, u.name_latin, u.sort_name, u.is_closed
    from unit u
    where %(after_id)s::bigint is null or (u.is_school, u.sort_name, u.id) > (%(after_is_school)s::boolean, %(after_name)s::text, %(after_id)s)
    order by u.is_school, u.sort_name, u.id
    limit %(rows)s
)
select page.is_school, page.id, page.code, page.name_local, page.name_latin, page.sort_name, page.is_closed,
    coalesce(c.absent, 0)::bigint as absent, coalesce(c.refused, 0)::bigint as refused, coalesce(c.went, 0)::bigint as went,
    coalesce(c.rank_1, 0)::bigint as rank_1, coalesce(c.rank_2, 0)::bigint as rank_2, coalesce(c.rank_3, 0)::bigint as rank_3,
    coalesce(c.rank_4, 0)::bigint as rank_4, coalesce(c.rank_5, 0)::bigint as rank_5, coalesce(c.rank_6, 0)::bigint as rank_6,
    coalesce(c.rank_7, 0)::bigint as rank_7, coalesce(c.rank_8, 0)::bigint as rank_8, coalesce(c.rank_9, 0)::bigint as rank_9,
    coalesce(e.children, 0)::bigint as enrolled
from page
left join lateral (
    select sum(a.absent) as absent, sum(a.refused) as refused, sum(a.went) as went, sum(a.rank_1) as rank_1, sum(a.rank_2) as rank_2,
        sum(a.rank_3) as rank_3, sum(a.rank_4) as rank_4, sum(a.rank_5) as rank_5, sum(a.rank_6) as rank_6, sum(a.rank_7) as rank_7,
        sum(a.rank_8) as rank_8, sum(a.rank_9) as rank_9
    from (
        select grade, sex, absent, refused, went, rank_1, rank_2, rank_3, rank_4, rank_5, rank_6,
            rank_7, rank_8, rank_9
        from place_count
        where not page.is_school and place_id = page.id and round_id = %(round_id)s and subject = %(subject)s::subject
        union all
        select grade, sex, absent, refused, went, rank_1, rank_2, rank_3, rank_4, rank_5, rank_6,
            rank_7, rank_8, rank_9
        from place_count_moved
        where %(boundaries)s::text = 'today' and not page.is_school and place_id = page.id and round_id = %(round_id)s
            and subject = %(subject)s::subject
        union all
        select grade, sex, absent, refused, went, rank_1, rank_2, rank_3, rank_4, rank_5, rank_6,
            rank_7, rank_8, rank_9
        from school_count
        where page.is_school and school_id = page.id and round_id = %(round_id)s and subject = %(subject)s::subject
    ) a
    where (%(grade)s::smallint is null or a.grade = %(grade)s) and (%(sex)s::smallint is null or a.sex = %(sex)s)
) c on true
left join lateral (
    select sum(a.children) as children
    from (
        select grade, sex, children
        from place_roll
        where not page.is_school and place_id = page.id and round_id = %(round_id)s and subject = %(subject)s::subject
        union all
        select grade, sex, children
        from place_roll_moved
        where %(boundaries)s::text = 'today' and not page.is_school and place_id = page.id and round_id = %(round_id)s
            and subject = %(subject)s::subject
        union all
        select grade, sex, children
        from place_enrolled
        where not page.is_school and place_id = page.id and school_year_id = (select school_year_id from round where id = %(round_id)s and roll_number is null)
        union all
        select grade, sex, children
        from school_roll
        where page.is_school and school_id = page.id and round_id = %(round_id)s and subject = %(subject)s::subject
        union all
        select grade, sex, children
        from school_enrolled
        where page.is_school and school_id = page.id and school_year_id = (select school_year_id from round where id = %(round_id)s and roll_number is null)
    ) a
    where (%(grade)s::smallint is null or a.grade = %(grade)s) and (%(sex)s::smallint is null or a.sex = %(sex)s)
) e on true
order by page.is_school, page.sort_name, page.id

-- name: moved_schools
-- The schools that a round counts elsewhere than where they stand today, within a place by either, the first that moved first; and how many there are.
-- Served by school_place_ended.
select s.id as school_id, s.name_local as school_name, t.id as then_id, t.name_local as then_name, n.id as now_id, n.name_local as now_name,
    m.until_at as moved_at, count(*) over ()::integer as total
from round r
join school_place m on m.until_at > r.roll_at and m.from_at <= r.roll_at
join school s on s.id = m.school_id and not s.is_practice and s.place_id <> m.place_id
join place t on t.id = m.place_id
join place n on n.id = s.place_id
where r.id = %(round_id)s
    and (%(school_id)s::bigint is null or s.id = %(school_id)s)
    and (%(in_place)s::bigint is null or t.lineage @> array[%(in_place)s::bigint] or n.lineage @> array[%(in_place)s::bigint])
    and (%(own_schools)s::bigint[] is null or s.id = any(%(own_schools)s))
order by m.until_at, s.id
limit %(rows)s

-- name: children_behind
-- The children that stand behind a figure of one school, by name: those who sit there in the round, wherever they are now. So the list is as
-- long as the figure says. Whoever has to test one again without knowing its level isn't told it. Served by student_by_school,
-- past_enrolment_by_school, result_by_school and result_is_unique.
select st.id::text as student_id, st.code, st.name, seat.sex, seat.grade, seat.class_id, r.outcome::text as outcome,
    case when not b.is_blind then l.code end as level, r.tested_on, b.is_blind
from seats_of_school(%(round_id)s::bigint, %(subject)s::subject, %(school_id)s::bigint) seat
join student st on st.id = seat.student_id and st.deleted_at is null
left join result r on r.id = seat.result_id
left join round rd on rd.id = r.round_id
left join scale sc on sc.key = case r.subject when 'language' then rd.language_scale else rd.math_scale end
left join scale_level l on l.scale_id = sc.id and l.rank = r.rank
cross join lateral (
    select %(is_verifier)s and r.id is not null and r.assessor_id <> %(person_id)s
        and exists (select from verification v where v.result_id = r.id and v.state = 'pending') as is_blind) b
where (%(grade)s::smallint is null or seat.grade = %(grade)s)
    and (%(sex)s::smallint is null or seat.sex = %(sex)s)
    and (%(rank)s::smallint is null or (r.rank = %(rank)s and not b.is_blind))
    and case %(outcome)s::text when 'missing' then seat.result_id is null else %(outcome)s is null or r.outcome::text = %(outcome)s end
    and (%(scope_schools)s::bigint[] is null or %(school_id)s = any(%(scope_schools)s) or seat.class_id = any(%(scope_classes)s::bigint[])
        or st.school_id = any(%(scope_schools)s) or st.class_id = any(%(scope_classes)s))
    and (%(after_id)s::uuid is null or (st.name_key, st.id) > (select k.name_key, k.id from student k where k.id = %(after_id)s))
order by st.name_key, st.id
limit %(rows)s

-- name: way_to
-- The places on the way to a school where it stood in a round, or to a place: the country first, a place itself last. Served by the primary keys.
select unnest(case
    when %(school_id)s::bigint is null then (select p.lineage from place p where p.id = %(place_id)s::bigint)
    else lineage_for(%(school_id)s::bigint, %(round_id)s::bigint)
end) as id

-- name: cells_below
-- A place (kind 0), the places (1) and schools (2) that hung on it in a round, each by grade and sex; or the countries. Whatever is counted in the
-- place and in none of them is missing here. Served by place_by_parent, school_place_by_place and the primary keys of the count tables.
with asked as materialized (
    select roll_at, case when roll_number is null then school_year_id end as open_year_id from round where id = %(round_id)s
), unit as materialized (
    select 0 as kind, p.id from place p where p.id = %(place_id)s::bigint
    union all
    select 1, p.id from place p where p.deleted_at is null and p.parent_id = %(place_id)s::bigint
    union all
    select 1, p.id from place p where p.deleted_at is null and p.parent_id is null and %(place_id)s::bigint is null
    union all
    select distinct 2, s.id
    from school_place m
    join school s on s.id = m.school_id and not s.is_practice
    where m.place_id = %(place_id)s::bigint and stood_at(m.from_at, m.until_at, (select roll_at from asked))
), cell as (
    select u.kind, u.id, c.grade, c.sex, c.absent, c.refused, c.went,
        c.rank_1, c.rank_2, c.rank_3, c.rank_4, c.rank_5, c.rank_6, c.rank_7, c.rank_8, c.rank_9, 0::bigint as children
    from unit u join place_count c on u.kind < 2 and c.place_id = u.id
    where c.round_id = %(round_id)s and c.subject = %(subject)s::subject
    union all
    select u.kind, u.id, c.grade, c.sex, c.absent, c.refused, c.went,
        c.rank_1, c.rank_2, c.rank_3, c.rank_4, c.rank_5, c.rank_6, c.rank_7, c.rank_8, c.rank_9, 0
    from unit u join school_count c on u.kind = 2 and c.school_id = u.id
    where c.round_id = %(round_id)s and c.subject = %(subject)s::subject
    union all
    select u.kind, u.id, e.grade, e.sex, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, e.children
    from unit u join place_roll e on u.kind < 2 and e.place_id = u.id
    where e.round_id = %(round_id)s and e.subject = %(subject)s::subject
    union all
    select u.kind, u.id, e.grade, e.sex, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, e.children
    from unit u join place_enrolled e on u.kind < 2 and e.place_id = u.id
    where e.school_year_id = (select open_year_id from asked)
    union all
    select u.kind, u.id, e.grade, e.sex, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, e.children
    from unit u join school_roll e on u.kind = 2 and e.school_id = u.id
    where e.round_id = %(round_id)s and e.subject = %(subject)s::subject
    union all
    select u.kind, u.id, e.grade, e.sex, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, e.children
    from unit u join school_enrolled e on u.kind = 2 and e.school_id = u.id
    where e.school_year_id = (select open_year_id from asked)
)
select u.kind, u.id, coalesce(c.grade, 0)::integer as grade, coalesce(c.sex, 0)::integer as sex,
    coalesce(sum(c.absent), 0)::bigint as absent, coalesce(sum(c.refused), 0)::bigint as refused, coalesce(sum(c.went), 0)::bigint as went,
    coalesce(sum(c.rank_1), 0)::bigint as rank_1, coalesce(sum(c.rank_2), 0)::bigint as rank_2, coalesce(sum(c.rank_3), 0)::bigint as rank_3,
    coalesce(sum(c.rank_4), 0)::bigint as rank_4, coalesce(sum(c.rank_5), 0)::bigint as rank_5, coalesce(sum(c.rank_6), 0)::bigint as rank_6,
    coalesce(sum(c.rank_7), 0)::bigint as rank_7, coalesce(sum(c.rank_8), 0)::bigint as rank_8, coalesce(sum(c.rank_9), 0)::bigint as rank_9,
    coalesce(sum(c.children), 0)::bigint as enrolled
from unit u
left join cell c on c.kind = u.kind and c.id = u.id
group by u.kind, u.id, c.grade, c.sex
order by u.kind, u.id
limit %(rows)s
