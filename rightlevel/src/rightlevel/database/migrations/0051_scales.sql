-- Scales by page: another country's levels, labels, colours and guided test as data, in versions; and which of them each round is measured by.

-- `key` names one version everywhere and for ever. `codes` are its rungs from the lowest; the program's own scale says no more, the rest of it is
-- in code. `climb`: what the guided test asks first and after each task, what passes it, which rungs figures speak of and which learn together.
-- A draft is changed (`edited` counts how often), a published version never; a retired one is measured by where it is, and chosen for nothing new.
alter table scale
    add column key uuid not null default new_id(),
    add column state text not null default 'published' constraint scale_state_is_known check (state in ('draft', 'published', 'retired')),
    add column codes text[] not null default '{}',
    add column climb jsonb not null default '{}' constraint scale_climb_is_small check (pg_column_size(climb) <= 16384),
    add column edited integer not null default 1,
    add column changed_at timestamptz not null default now(),
    add column changed_by bigint references person,
    add column published_at timestamptz;
update scale set key = '00000000-0000-7000-8000-000000000001', codes = '{beginner,letter,word,paragraph,story,comprehension1,comprehension2}', published_at = now()
where subject = 'language' and is_default;
update scale set key = '00000000-0000-7000-8000-000000000002', codes = '{beginner,number_1digit,number_2digit,subtraction,division,word_problems}', published_at = now()
where subject = 'math' and is_default;
alter table scale add constraint scale_key_is_unique unique (key);
alter table scale add constraint scale_one_draft exclude using btree (subject with =, name with =) where (state = 'draft');
alter table scale_level add constraint scale_level_label_is_small check (pg_column_size(label) <= 4096);

-- Rounds are measured by it: a published version says for ever what it said.
create function keep_scales() returns trigger language plpgsql as $$
begin
    if tg_table_name = 'scale' then
        if old.state <> 'draft' and (tg_op = 'DELETE' or (new.key, new.subject, new.name, new.version, new.codes, new.climb)
                is distinct from (old.key, old.subject, old.name, old.version, old.codes, old.climb)) then
            raise exception 'a published scale does not change' using errcode = 'check_violation', constraint = 'scale_is_kept';
        end if;
    elsif exists (select from scale s where s.id = old.scale_id and s.state <> 'draft') then
        raise exception 'a published scale does not change' using errcode = 'check_violation', constraint = 'scale_is_kept';
    end if;
    return case tg_op when 'DELETE' then old else new end;
end $$;
create trigger scales_are_kept before update or delete on scale for each row execute function keep_scales();
create trigger rungs_are_kept before update or delete on scale_level for each row execute function keep_scales();

-- What a round is measured by, from planned on; once anything was entered or it was opened it stays.
alter table round
    add column language_scale uuid not null default '00000000-0000-7000-8000-000000000001' references scale (key),
    add column math_scale uuid not null default '00000000-0000-7000-8000-000000000002' references scale (key);

-- By which scale a quick re-test speaks; null for the program's own.
alter table level_check add column scale uuid;
alter table level_check add constraint level_check_scale_fkey foreign key (scale) references scale (key) not valid;

-- An earlier level is one of the same ladder, or none.
create or replace function tests_of_day(wanted_day date, wanted_school bigint, wanted_assessor bigint, wanted_subject subject, blind_to bigint)
returns table (
    id uuid, student_id uuid, round_id bigint, outcome outcome, rank smallint, method entry_method, came_at timestamptz, took_s integer,
    earlier_rank smallint, is_without_baseline boolean, has_possible_duplicate boolean)
language sql stable parallel safe as $$
    select r.id, r.student_id, r.round_id, r.outcome, r.rank, r.method, r.created_at,
        case when r.method = 'guided' then (
            select max(g.took_s)
            from (
                select case when count(*) = count(s.step->>'took_s') then sum((s.step->>'took_s')::integer) end::integer as took_s
                from guided_test t
                cross join jsonb_array_elements(t.steps) s (step)
                where t.result_id = r.id
                group by t.write_id) g) end,
        case when r.rank is not null then (
            select e.rank
            from result e
            join round er on er.id = e.round_id and (er.starts_on, er.id) < (rd.starts_on, rd.id)
            where e.student_id = r.student_id and e.subject = r.subject and e.deleted_at is null and not e.is_hidden and e.rank is not null
                -- a rank of another ladder says nothing of a fall
                and (select k.codes from scale k where k.key = case e.subject when 'language' then er.language_scale else er.math_scale end)
                    = (select k.codes from scale k where k.key = case r.subject when 'language' then rd.language_scale else rd.math_scale end)
                and (blind_to is null or e.assessor_id = blind_to
                    or not exists (select from verification v where v.result_id = e.id and v.state = 'pending' offset 0))
            order by er.starts_on desc, er.id desc
            limit 1) end,
        r.rank is not null and rd.kind <> 'baseline' and not exists (
            select from result b
            join round br on br.id = b.round_id and br.kind = 'baseline' and br.school_year_id = rd.school_year_id
            where b.student_id = r.student_id and b.subject = r.subject and b.deleted_at is null and b.outcome = 'assessed'
            offset 0),
        exists (
            select from student st
            join student o on o.school_id = st.school_id and o.name_key = st.name_key and o.deleted_at is null
            where st.id = r.student_id and o.id <> st.id and (o.grade, o.sex) = (st.grade, st.sex)
                and not exists (
                    select from not_duplicates n where (n.first_id, n.second_id) = (least(st.id, o.id), greatest(st.id, o.id)) offset 0)
            offset 0)
    from result r
    join round rd on rd.id = r.round_id
    where r.tested_on = wanted_day and r.school_id = wanted_school and r.assessor_id = wanted_assessor and r.subject = wanted_subject
        and r.deleted_at is null and not r.is_hidden
        and (blind_to is null or r.assessor_id = blind_to
            or not exists (select from verification v where v.result_id = r.id and v.state = 'pending' offset 0))
$$;
