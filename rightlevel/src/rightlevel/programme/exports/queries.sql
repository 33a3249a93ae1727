-- fragment: opened
-- What every file's statement begins with: its rows go out as lines of CSV, of JSON, or as the texts of a sheet; or a page of them, or their number.
copy (
--? json: select row_to_json(r) from (
--? whole: select row_to_json(r) from (
--? picked: select to_jsonb(r) - %(left_out)s::text[] from (
--? counted: select count(*) from (

-- fragment: closed
-- What it ends with; of a page, with what its rows must meet: each condition is a column's name, how it is compared, and with what.
--? json: ) r
--? page: ) r
--? page: where %(fields)s::text[] = '{}' or not exists (
--? page:     select 1
--? page:     from unnest(%(fields)s::text[], %(tests)s::text[], %(wanted)s::text[]) f (field, test, wanted)
--? page:     cross join lateral (select to_jsonb(r) -> f.field as cell, to_jsonb(r) ->> f.field as told) c
--? page:     where not coalesce(case
--? page:         when jsonb_typeof(c.cell) = 'number' then case f.test when 'eq' then c.told::numeric = f.wanted::numeric
--? page:             when 'ge' then c.told::numeric >= f.wanted::numeric else c.told::numeric <= f.wanted::numeric end
--? page:         else case f.test when 'eq' then c.told = f.wanted
--? page:             when 'ge' then c.told collate "C" >= f.wanted else c.told collate "C" <= f.wanted end end, false))
--? limited: limit %(most)s::bigint
) to stdout
--? csv: (format csv)
--? json: (format csv, quote e'\x01', delimiter e'\x02')
--? page: (format csv, quote e'\x01', delimiter e'\x02')

-- name: keep_roster
-- Children of some schools, each once, school by school: those who left too, removed ones not. Served by student_by_school.
--> opened
select sheet_text(sc.code, %(defuse)s) as school_code, sheet_text(st.code, %(defuse)s) as code, sheet_text(st.name, %(defuse)s) as name,
    case st.sex when 1 then 'male' when 2 then 'female' when 9 then 'not applicable' else 'not known' end as sex, st.grade,
    sheet_text(c.section, %(defuse)s) as section, st.birth_on, st.age, sheet_text(y.name, %(defuse)s) as school_year, st.id,
    st.status::text as standing, st.left_on, sheet_text(st.left_reason, %(defuse)s) as left_reason,
    sheet_text(sc.name_local, %(defuse)s) as school_name, sheet_text(d.name_local, %(defuse)s) as district_name
from unnest(%(schools)s::bigint[]) w (id)
join school sc on sc.id = w.id
join place p on p.id = sc.place_id
join student st on st.school_id = sc.id
join school_year y on y.id = st.school_year_id
left join class c on c.id = st.class_id
left join place d on d.kind = 'district' and d.id = any(p.lineage)
where st.deleted_at is null
    and (%(is_everything)s or st.school_id = any(%(scope_schools)s::bigint[]) or st.class_id = any(%(scope_classes)s::bigint[]))
    and (st.class_id = %(class_id)s or %(class_id)s is null or st.id in (
        select p.student_id from past_enrolment p where p.class_id = %(class_id)s and p.closes_year and p.superseded_by is null and not p.is_aside))
    and (st.grade = %(grade)s or %(grade)s is null)
    and (st.sex = %(sex)s or %(sex)s is null)
    and (st.status = %(status)s::student_status or %(status)s is null)
    and (st.name_key like %(search)s or %(search)s is null or lower(st.code) = lower(%(code)s))
order by sc.code, st.code, st.id
--> closed

-- name: keep_roster_deidentified
-- Children of some schools without who they are: a code of their own, and grade, sex and age as far as at least ten share them.
--> opened
select left(encode(sha256(%(key)s::bytea || convert_to(st.id::text, 'UTF8')), 'hex'), 16) as child,
    case when coalesce(d.id, 0)::text = any(%(shown)s::text[]) then sheet_text(d.code, %(defuse)s) end as district_code,
    case when concat_ws('/', coalesce(d.id, 0), st.grade) = any(%(shown)s::text[]) then st.grade end as grade,
    case when concat_ws('/', coalesce(d.id, 0), st.grade, st.sex) = any(%(shown)s::text[])
        then case st.sex when 1 then 'male' when 2 then 'female' when 9 then 'not applicable' else 'not known' end end as sex,
    case when concat_ws('/', coalesce(d.id, 0), st.grade, st.sex, age_band(st.birth_on, st.age, y.starts_on)) = any(%(shown)s::text[])
        then age_band(st.birth_on, st.age, y.starts_on) end as age_band,
    sheet_text(y.name, %(defuse)s) as school_year, st.status::text as standing
from unnest(%(schools)s::bigint[]) w (id)
join school sc on sc.id = w.id
join place p on p.id = sc.place_id
join student st on st.school_id = sc.id
join school_year y on y.id = st.school_year_id
left join place d on d.kind = 'district' and d.id = any(p.lineage)
where st.deleted_at is null
order by child
--> closed

-- name: cells_of_roster
-- How many children share a district, grade, sex and age, of all there are: what a de-identified file may say of one of them. Reads every child once.
select coalesce(d.id, 0) as district_id, st.grade, st.sex, coalesce(age_band(st.birth_on, st.age, y.starts_on), '') as age_band, count(*) as children
from student st
join school sc on sc.id = st.school_id and not sc.is_practice and sc.deleted_at is null
join place p on p.id = sc.place_id
join school_year y on y.id = st.school_year_id
left join place d on d.kind = 'district' and d.id = any(p.lineage)
where st.deleted_at is null
group by coalesce(d.id, 0), st.grade, st.sex, coalesce(age_band(st.birth_on, st.age, y.starts_on), '')

-- name: cells_of_round
-- The same of the children who sit in a round. Reads every child of its year once.
select coalesce(d.id, 0) as district_id, b.grade, b.sex, coalesce(age_band(st.birth_on, st.age, y.starts_on), '') as age_band, count(*) as children
from round rd
join school_year y on y.id = rd.school_year_id
join base_seat b on b.school_year_id = rd.school_year_id and b.is_live and (b.seat_until is null or rd.roll_number < b.seat_until)
    and (rd.roll_number is null or b.from_number <= rd.roll_number)
join student st on st.id = b.student_id
join school sc on sc.id = b.school_id and not sc.is_practice
join place p on p.id = place_for(sc.id, rd.id)
left join place d on d.kind = 'district' and d.id = any(p.lineage)
where rd.id = %(round_id)s
group by coalesce(d.id, 0), b.grade, b.sex, coalesce(age_band(st.birth_on, st.age, y.starts_on), '')

-- fragment: seats_of_round
-- Every child that sits in a round in some schools, once, and which of its subjects the file's taker reaches.
with stood as materialized (
    select sc.id, sc.code, sc.name_local, d.id as district_id, d.code as district_code, d.name_local as district_name
    from unnest(%(schools)s::bigint[]) w (id)
    join school sc on sc.id = w.id
    join place p on p.id = place_for(sc.id, %(round_id)s)
    left join place d on d.kind = 'district' and d.id = any(p.lineage)
), language as materialized (
    select k.id as school_id, e.student_id, e.class_id, e.grade, e.sex, e.result_id
    from stood k
    cross join lateral seats_of_school(%(round_id)s, 'language', k.id) e
), math as materialized (
    select k.id as school_id, e.student_id, e.class_id, e.grade, e.sex
    from stood k
    cross join lateral seats_of_school(%(round_id)s, 'math', k.id) e
), seat as (
    select l.school_id, l.student_id, l.class_id, l.grade, l.sex, l.result_id from language l
    union all
    select m.school_id, m.student_id, m.class_id, m.grade, m.sex, null
    from math m
    where not exists (select 1 from language l where l.student_id = m.student_id)
        and not exists (
            select 1 from result r
            where r.student_id = m.student_id and r.round_id = %(round_id)s and r.subject = 'language' and r.deleted_at is null and not r.is_hidden)
        and not exists (
            select 1
            from round rd
            join base_seat b on b.student_id = m.student_id and b.school_year_id = rd.school_year_id and b.is_live
                and (b.seat_until is null or rd.roll_number < b.seat_until) and (rd.roll_number is null or b.from_number <= rd.roll_number)
            where rd.id = %(round_id)s)
), reached as (
    select t.school_id, t.student_id, t.class_id, t.grade, t.sex, t.result_id,
        %(is_everything)s or t.school_id = any(%(language_schools)s::bigint[]) or t.class_id = any(%(language_classes)s::bigint[]) as has_language,
        %(is_everything)s or t.school_id = any(%(math_schools)s::bigint[]) or t.class_id = any(%(math_classes)s::bigint[]) as has_math
    from seat t
)

-- fragment: language_found
-- What language says of a child.
    case when t.has_language then coalesce(l.outcome::text, 'not_tested') end as language_outcome,
    case when t.has_language and not vl.is_blind then (select k.codes[l.rank] from round ld join scale k on k.key = ld.language_scale where ld.id = l.round_id) end as language_level,
    case when t.has_language and not vl.is_blind then l.rank end as language_rank,

-- fragment: language_way
-- How it was found in language.
    case when t.has_language then l.tool end as language_tool,
    case when t.has_language then l.method::text end as language_method,

-- fragment: language_verified
-- Whether that was verified.
    case when t.has_language and l.id is not null then case when l.is_verified then 'yes' else 'no' end end as language_verified,

-- fragment: math_found
-- What mathematics says of a child.
    case when t.has_math then coalesce(m.outcome::text, 'not_tested') end as math_outcome,
    case when t.has_math and not vm.is_blind then (select k.codes[m.rank] from round md join scale k on k.key = md.math_scale where md.id = m.round_id) end as math_level,
    case when t.has_math and not vm.is_blind then m.rank end as math_rank,

-- fragment: math_way
-- How it was found in mathematics.
    case when t.has_math then m.tool end as math_tool,
    case when t.has_math then m.method::text end as math_method,

-- fragment: math_verified
-- Whether that was verified.
    case when t.has_math and m.id is not null then case when m.is_verified then 'yes' else 'no' end end as math_verified,

-- fragment: both_subjects
-- Which subjects a child was assessed in, and which have no result of it.
    case when t.has_language and l.outcome = 'assessed' then case when t.has_math and m.outcome = 'assessed' then 'both' else 'language' end
        else case when t.has_math and m.outcome = 'assessed' then 'math' else 'neither' end end as tested,
    case when t.has_language and l.id is null then case when t.has_math and m.id is null then 'both' else 'language' end
        else case when t.has_math and m.id is null then 'math' else 'none' end end as without_result

-- fragment: of_seats
-- Where that stands, and whom it is asked of.
from reached t
join stood k on k.id = t.school_id
join student st on st.id = t.student_id
join round rd on rd.id = %(round_id)s
join school_year y on y.id = rd.school_year_id
left join class c on c.id = t.class_id
left join result l on l.id = t.result_id
left join result m on m.student_id = t.student_id and m.round_id = %(round_id)s and m.subject = 'math' and m.deleted_at is null and not m.is_hidden
left join school ms on ms.id = m.school_id
left join person pl on pl.id = l.assessor_id
left join person pm on pm.id = m.assessor_id
cross join lateral (
    select l.id is not null and %(blind_to)s::bigint is not null and l.assessor_id is distinct from %(blind_to)s::bigint
        and exists (select 1 from verification v where v.result_id = l.id and v.state = 'pending') as is_blind) vl
cross join lateral (
    select m.id is not null and %(blind_to)s::bigint is not null and m.assessor_id is distinct from %(blind_to)s::bigint
        and exists (select 1 from verification v where v.result_id = m.id and v.state = 'pending') as is_blind) vm
where (t.has_language or t.has_math)
    and (t.class_id = %(class_id)s or %(class_id)s is null)
    and (t.grade = %(grade)s or %(grade)s is null)
    and (t.sex = %(sex)s or %(sex)s is null)

-- name: keep_results
-- Every child that sits in a round in some schools, once, with what both subjects say of it, or that nothing does. Where a child sits is what class
-- sheets and figures mean (seats_of_school): its language seat, or its mathematics seat where it has no other. A mentor is not told what a re-test that
-- waits for them would be judged by. Served by result_by_school, student_by_school, past_enrolment_by_school and result_is_unique.
--> opened
--> seats_of_round
select sheet_text(k.code, %(defuse)s) as school_code, sheet_text(st.code, %(defuse)s) as code, sheet_text(st.name, %(defuse)s) as name,
    case t.sex when 1 then 'male' when 2 then 'female' when 9 then 'not applicable' else 'not known' end as sex, t.grade,
    sheet_text(c.section, %(defuse)s) as section, sheet_text(y.name, %(defuse)s) as school_year, rd.kind::text as round,
    sheet_text(k.name_local, %(defuse)s) as school_name, sheet_text(k.district_name, %(defuse)s) as district_name, st.id,
--> language_found
    case when t.has_language then l.tested_on end as language_tested_on,
--> language_way
    case when t.has_language then sheet_text(pl.username, %(defuse)s) end as language_assessor,
--> language_verified
    case when t.has_language and not vl.is_blind then sheet_text(l.notes, %(defuse)s) end as language_notes,
--> math_found
    case when t.has_math then m.tested_on end as math_tested_on,
--> math_way
    case when t.has_math then sheet_text(pm.username, %(defuse)s) end as math_assessor,
--> math_verified
    case when t.has_math and not vm.is_blind then sheet_text(m.notes, %(defuse)s) end as math_notes,
    case when t.has_math and m.school_id <> t.school_id then sheet_text(ms.code, %(defuse)s) end as math_school_code,
--> both_subjects
--> of_seats
order by k.code, st.code, st.id
--> closed

-- name: keep_results_deidentified
-- The same children without who they are: a code of their own, and district, grade, sex and age as far as at least ten share them. Served by the same indexes.
--> opened
--> seats_of_round
select left(encode(sha256(%(key)s::bytea || convert_to(st.id::text, 'UTF8')), 'hex'), 16) as child,
    case when coalesce(k.district_id, 0)::text = any(%(shown)s::text[]) then sheet_text(k.district_code, %(defuse)s) end as district_code,
    case when concat_ws('/', coalesce(k.district_id, 0), t.grade, t.sex) = any(%(shown)s::text[])
        then case t.sex when 1 then 'male' when 2 then 'female' when 9 then 'not applicable' else 'not known' end end as sex,
    case when concat_ws('/', coalesce(k.district_id, 0), t.grade) = any(%(shown)s::text[]) then t.grade end as grade,
    case when concat_ws('/', coalesce(k.district_id, 0), t.grade, t.sex, age_band(st.birth_on, st.age, y.starts_on)) = any(%(shown)s::text[])
        then age_band(st.birth_on, st.age, y.starts_on) end as age_band,
    sheet_text(y.name, %(defuse)s) as school_year, rd.kind::text as round,
--> language_found
--> language_way
--> language_verified
--> math_found
--> math_way
--> math_verified
--> both_subjects
--> of_seats
order by child
--> closed

-- name: keep_verification
-- Re-tests at some schools as they were drawn: what waits says nothing of the first level. Served by verification_by_school.
--> opened
select sheet_text(sc.code, %(defuse)s) as school_code, sheet_text(st.code, %(defuse)s) as code, sheet_text(st.name, %(defuse)s) as name,
    rs.grade, sheet_text(y.name, %(defuse)s) as school_year, rd.kind::text as round, v.subject::text as subject, v.state::text as state,
    ladder.codes[v.first_rank] as first_level,
    v.first_rank, v.first_tool, sheet_text(fa.username, %(defuse)s) as first_assessor,
    ladder.codes[v.rank] as second_level,
    v.rank as second_rank, v.tool as second_tool, sheet_text(ve.username, %(defuse)s) as second_assessor, v.tested_on, v.stands,
    sheet_text(v.reason, %(defuse)s) as reason, v.missed, v.result_id, v.id
from unnest(%(schools)s::bigint[]) w (id)
join school sc on sc.id = w.id
join verification v on v.school_id = sc.id
join result rs on rs.id = v.result_id and rs.deleted_at is null
join student st on st.id = rs.student_id and st.deleted_at is null
join round rd on rd.id = v.round_id
join scale ladder on ladder.key = case v.subject when 'language' then rd.language_scale else rd.math_scale end
join school_year y on y.id = rd.school_year_id
left join person fa on fa.id = v.first_assessor_id
left join person ve on ve.id = v.verifier_id
where (%(is_everything)s or (v.subject = 'language' and (sc.id = any(%(language_schools)s::bigint[]) or rs.class_id = any(%(language_classes)s::bigint[])))
        or (v.subject = 'math' and (sc.id = any(%(math_schools)s::bigint[]) or rs.class_id = any(%(math_classes)s::bigint[]))))
    and (v.round_id = %(round_id)s or %(round_id)s is null)
    and (v.subject = %(subject)s::subject or %(subject)s is null)
order by sc.code, rd.starts_on, v.subject, st.code, v.created_at, v.id
--> closed

-- name: keep_data_quality
-- What to look at about the tests made at some schools, by day, who tested and subject (quality_of_day). Served by result_by_school and those of it.
--> opened
select g.tested_on, sheet_text(sc.code, %(defuse)s) as school_code, sheet_text(sc.name_local, %(defuse)s) as school_name,
    sheet_text(p.username, %(defuse)s) as username, sheet_text(p.display_name, %(defuse)s) as display_name, g.subject::text as subject,
    c.tests, c.assessed, c.absent, c.refused, c.went, m.most_at, m.most_at_n, c.timed, c.too_fast, c.in_one_minute, c.without_baseline, c.drops,
    c.possible_duplicates, c.retested, case when c.retested >= 10 then c.agreed end as agreed
from (
    select rs.tested_on, rs.school_id, rs.assessor_id, rs.subject, max(rs.round_id) as round_id
    from unnest(%(schools)s::bigint[]) w (id)
    join result rs on rs.school_id = w.id and rs.deleted_at is null and not rs.is_hidden
    where (%(is_everything)s or (rs.subject = 'language' and rs.school_id = any(%(language_schools)s::bigint[]))
            or (rs.subject = 'math' and rs.school_id = any(%(math_schools)s::bigint[])))
        and (rs.subject = %(subject)s::subject or %(subject)s is null)
        and (rs.tested_on >= %(from_on)s or %(from_on)s is null)
        and (rs.tested_on <= %(to_on)s or %(to_on)s is null)
    group by 1, 2, 3, 4
) g
join round rd on rd.id = g.round_id
join scale ladder on ladder.key = case g.subject when 'language' then rd.language_scale else rd.math_scale end
join school sc on sc.id = g.school_id
join person p on p.id = g.assessor_id
cross join lateral quality_of_day(g.tested_on, g.school_id, g.assessor_id, g.subject, %(blind_to)s::bigint) c
cross join lateral (
    select case when b.most > 0 then ladder.codes[array_position(c.ranks, b.most)] end as most_at, b.most as most_at_n
    from (select max(n) as most from unnest(c.ranks) n) b) m
order by sc.code, g.tested_on, p.username, g.subject
--> closed

-- name: keep_attendance
-- Who was there in the sessions of some schools. Served by teaching_session_by_school and the marks' primary key.
--> opened
select sheet_text(sc.code, %(defuse)s) as school_code, s.subject::text as subject, g.band, g.number as group_number, s.held_on, s.minutes,
    sheet_text(s.activity, %(defuse)s) as activity, sheet_text(st.code, %(defuse)s) as code, sheet_text(st.name, %(defuse)s) as name,
    a.presence::text as presence, s.id as session_id, st.id as student_id
from unnest(%(schools)s::bigint[]) w (id)
join school sc on sc.id = w.id
join teaching_session s on s.school_id = sc.id
join teaching_group g on g.id = s.group_id
join attendance a on a.session_id = s.id
join student st on st.id = a.student_id and st.deleted_at is null
where (%(is_everything)s
        or (s.subject = 'language' and (sc.id = any(%(language_schools)s::bigint[]) or st.class_id = any(%(language_classes)s::bigint[])))
        or (s.subject = 'math' and (sc.id = any(%(math_schools)s::bigint[]) or st.class_id = any(%(math_classes)s::bigint[]))))
    and (s.subject = %(subject)s::subject or %(subject)s is null)
    and (s.held_on >= %(from_on)s or %(from_on)s is null)
    and (s.held_on <= %(to_on)s or %(to_on)s is null)
order by sc.code, s.held_on, s.id, st.code, st.id
--> closed

-- name: keep_assignments
-- Who works where, from when until when, at some schools. Served by assignment_ever_by_school.
--> opened
select sheet_text(sc.code, %(defuse)s) as school_code, sheet_text(sc.name_local, %(defuse)s) as school_name, sheet_text(p.username, %(defuse)s) as username,
    sheet_text(p.display_name, %(defuse)s) as display_name, p.role::text as role, a.subject::text as subject, c.grade,
    sheet_text(c.section, %(defuse)s) as section, sheet_text(y.name, %(defuse)s) as school_year, a.from_on, a.to_on,
    case when a.ended_at is not null or a.to_on < %(today)s then 'over' when a.from_on > %(today)s then 'to_come' else 'in_force' end as state, a.id
from unnest(%(schools)s::bigint[]) w (id)
join school sc on sc.id = w.id
join assignment a on a.school_id = sc.id
join person p on p.id = a.person_id
left join class c on c.id = a.class_id
left join school_year y on y.id = c.school_year_id
where (a.subject = %(subject)s::subject or %(subject)s is null)
order by sc.code, a.id
--> closed

-- name: keep_people
-- Accounts that are in use or switched off, by username; removed ones are not among them. No hash, no secret. Served by person_by_username.
--> opened
select sheet_text(p.username, %(defuse)s) as username, sheet_text(p.display_name, %(defuse)s) as display_name, p.role::text as role,
    sheet_text(p.email, %(defuse)s) as email, p.language, case when p.is_active then 'yes' else 'no' end as is_active
from person p
where p.deleted_at is null
order by p.username
--> closed

-- name: keep_classes
-- Classes of some schools in every year, those that were removed not. Served by class_is_unique.
--> opened
select sheet_text(sc.code, %(defuse)s) as school_code, sheet_text(sc.name_local, %(defuse)s) as school_name,
    sheet_text(y.name, %(defuse)s) as school_year, c.grade, sheet_text(c.section, %(defuse)s) as section, c.id
from unnest(%(schools)s::bigint[]) w (id)
join school sc on sc.id = w.id
join class c on c.school_id = sc.id and c.deleted_at is null
join school_year y on y.id = c.school_year_id and y.deleted_at is null
order by sc.code, y.starts_on, c.grade, c.section, c.id
--> closed

-- name: keep_places
-- The tree of places, those that are closed or removed not, each after the one in which it lies. Served by place_pkey.
--> opened
select p.kind::text as kind, sheet_text(p.code, %(defuse)s) as code, sheet_text(p.name_local, %(defuse)s) as name_local,
    sheet_text(p.name_latin, %(defuse)s) as name_latin,
    sheet_text(array_to_string(w.codes[:cardinality(w.codes) - 1], '/'), %(defuse)s) as parent, p.id
from place p
cross join lateral (
    select array_agg(a.code order by u.at) as codes from unnest(p.lineage) with ordinality u (id, at) join place a on a.id = u.id) w
where p.deleted_at is null and p.closed_at is null
order by w.codes, p.id
--> closed

-- name: keep_statistics
-- Counts of some schools by round, subject, grade and sex, as they are kept: what the figures show. Served by the primary keys of the counts.
--> opened
select sheet_text(sc.code, %(defuse)s) as school_code, sheet_text(sc.name_local, %(defuse)s) as school_name,
    sheet_text(d.code, %(defuse)s) as district_code, sheet_text(d.name_local, %(defuse)s) as district_name,
    sheet_text(y.name, %(defuse)s) as school_year, rd.kind::text as round, x.subject::text as subject, x.grade,
    case x.sex when 1 then 'male' when 2 then 'female' when 9 then 'not applicable' else 'not known' end as sex, sum(x.enrolled)::bigint as enrolled,
    sum(x.rank_1 + x.rank_2 + x.rank_3 + x.rank_4 + x.rank_5 + x.rank_6 + x.rank_7 + x.rank_8 + x.rank_9)::bigint as assessed,
    sum(x.absent)::bigint as absent, sum(x.refused)::bigint as refused, sum(x.went)::bigint as went, sum(x.rank_1)::bigint as rank_1,
    sum(x.rank_2)::bigint as rank_2, sum(x.rank_3)::bigint as rank_3, sum(x.rank_4)::bigint as rank_4, sum(x.rank_5)::bigint as rank_5,
    sum(x.rank_6)::bigint as rank_6, sum(x.rank_7)::bigint as rank_7
from unnest(%(schools)s::bigint[]) w (id)
join school sc on sc.id = w.id
cross join lateral (
    select c.round_id, c.subject, c.grade, c.sex, 0::bigint as enrolled, c.absent, c.refused, c.went, c.rank_1, c.rank_2, c.rank_3, c.rank_4,
        c.rank_5, c.rank_6, c.rank_7, c.rank_8, c.rank_9
    from school_count c
    where c.school_id = sc.id
    union all
    select k.round_id, k.subject, k.grade, k.sex, k.children, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from school_roll k
    where k.school_id = sc.id
    union all
    select r.id, u.subject, n.grade, n.sex, n.children, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from school_enrolled n
    join round r on r.school_year_id = n.school_year_id and r.roll_number is null
    cross join unnest(enum_range(null::subject)) u (subject)
    where n.school_id = sc.id) x
join round rd on rd.id = x.round_id and rd.deleted_at is null
join school_year y on y.id = rd.school_year_id
join place p on p.id = place_for(sc.id, rd.id)
left join place d on d.kind = 'district' and d.id = any(p.lineage)
where (%(is_everything)s or (x.subject = 'language' and sc.id = any(%(language_schools)s::bigint[]))
        or (x.subject = 'math' and sc.id = any(%(math_schools)s::bigint[])))
    and (rd.id = %(round_id)s or %(round_id)s is null)
    and (x.subject = %(subject)s::subject or %(subject)s is null)
    and (x.grade = %(grade)s or %(grade)s is null)
    and (x.sex = %(sex)s or %(sex)s is null)
group by sc.code, sc.name_local, d.code, d.name_local, y.name, y.starts_on, rd.kind, rd.starts_on, x.subject, x.grade, x.sex
having sum(x.enrolled) <> 0 or sum(x.absent + x.refused + x.went + x.rank_1 + x.rank_2 + x.rank_3 + x.rank_4 + x.rank_5 + x.rank_6 + x.rank_7) <> 0
order by sc.code, rd.starts_on, x.subject, x.grade, x.sex
--> closed

-- name: schools_to_export
-- The next schools of an export by code, after one. Practice schools are in no file but one of their own. Of a round, schools that were removed since stay
-- with what was counted there, in the place in which they stood. Served by school_code_is_unique.
--! plan each time
select s.id, s.code
from school s
join place p on p.id = s.place_id
where s.code > %(after)s
    and (s.deleted_at is null or %(keeps_removed)s)
    and (%(is_everything)s or s.id = any(%(reached)s::bigint[]))
    and (s.id = %(school_id)s::bigint or (%(school_id)s::bigint is null and not s.is_practice))
    and (%(place_id)s::bigint is null
        or case when %(round_id)s::bigint is null then p.lineage else lineage_for(s.id, %(round_id)s) end @> array[%(place_id)s::bigint])
    and (%(class_id)s::bigint is null or s.id = any(array(
        select n.school_id from student n where n.class_id = %(class_id)s
        union all
        select n.school_id from past_enrolment p join student n on n.id = p.student_id where p.class_id = %(class_id)s
        union all
        select c.school_id from class c where c.id = %(class_id)s)))
order by s.code
limit %(rows)s

-- name: rounds_to_export
-- The rounds there are, the oldest first; or one of them.
select id from round where deleted_at is null and (id = %(round_id)s::bigint or %(round_id)s::bigint is null) order by starts_on, id

-- name: start_export
-- Writes down that a file is begun.
insert into export_run (what, format, filters, is_deidentified, person_id, started_at)
values (%(what)s, %(format)s, %(filters)s::jsonb, %(is_deidentified)s, %(person_id)s, %(now)s)
returning id::text as id

-- name: end_export
-- Writes down how a file ended. Served by the primary key.
update export_run
set state = %(state)s, ended_at = %(now)s, as_of = %(as_of)s, rows_sent = %(rows_sent)s, bytes_sent = %(bytes_sent)s, sha256 = %(sha256)s,
    counts = %(counts)s::jsonb
where id = %(id)s::uuid and ended_at is null

-- name: list_exports
-- Files that were taken, the newest first: one's own, or all for whom that is. One that nobody ended in two hours was cut off. Served by export_run_by_time and
-- export_run_by_person.
--! plan each time
select r.id::text as id, r.what, r.format, r.filters, r.is_deidentified,
    case when r.ended_at is null and r.started_at < %(now)s::timestamptz - interval '2 hours' then 'stopped' else r.state end as state,
    p.username, r.started_at, r.ended_at, r.as_of, r.rows_sent, r.bytes_sent, r.sha256, r.counts
from export_run r
join person p on p.id = r.person_id
where (r.person_id = %(person_id)s::bigint or %(person_id)s is null)
    and (r.id = %(id)s::uuid or %(id)s is null)
    and ((r.started_at, r.id) < (%(after_at)s::timestamptz, %(after_id)s::uuid) or %(after_at)s is null)
order by r.started_at desc, r.id desc
limit %(rows)s

-- name: moment
-- The moment that a snapshot shows.
select now() as at
