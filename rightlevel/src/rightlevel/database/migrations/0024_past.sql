-- The past's joints: schools that close, codes of erased children.

-- Whether children are taught at a school now. Who was erased is left out: nobody can move such a record.
create function has_children(wanted bigint) returns boolean language sql stable as $$
    select exists (
        select 1 from student st
        where st.school_id = wanted and st.deleted_at is null and st.status = 'active' and st.erased_at is null)
$$;

-- Whether a school stays what it is, practice or real: something was done there, or children were entered. Made-up children never become real ones.
create function keeps_its_kind(wanted bigint) returns boolean language sql stable as $$
    select has_past(wanted)
        or exists (select 1 from student st where st.school_id = wanted and st.deleted_at is null)
        or exists (select 1 from student st where st.school_id = wanted and st.deleted_at is not null)
$$;

create or replace function hold_changing_school() returns trigger language plpgsql as $$
begin
    perform hold_rolls();
    if old.place_id <> new.place_id then
        perform require_open_places(array[new.place_id]);
    end if;
    perform 1 from school s where s.id = old.id for update;
    if old.is_practice <> new.is_practice then
        if keeps_its_kind(old.id) then
            raise exception 'a school with a past stays what it is' using errcode = 'check_violation', constraint = 'school_has_a_past';
        end if;
        if not old.is_practice then
            perform add_place_enrolled(array(
                select row(e.school_year_id, e.school_id, e.grade, e.sex, -e.children)::enrolled_delta
                from school_enrolled e where e.school_id = old.id));
            perform add_place_roll(array(
                select row(k.round_id, k.subject, k.school_id, k.grade, k.sex, -k.children)::roll_delta
                from school_roll k where k.school_id = old.id));
            delete from school_enrolled where school_id = old.id;
            delete from school_roll where school_id = old.id;
        end if;
    end if;
    return new;
end $$;

-- Codes of children who were erased, as digests and without their children: an old roster that names one is told so instead of adding a child.
create table erased_code (
    school_id bigint not null references school on delete cascade,
    digest bytea not null constraint erased_code_digest_is_sha256 check (length(digest) = 32),
    primary key (school_id, digest)
);

create function code_digest(of_school bigint, of_code text) returns bytea language sql immutable parallel safe as $$
    select sha256(convert_to(of_school || ':' || lower(of_code), 'UTF8'))
$$;

-- Who is in a group. Of one in use: its children who are taught at its school, and, where a year is asked for, who were in that year and went since. Of
-- one that was replaced: who was in it then, wherever they are now. Served by group_member_by_group, grouping_by_school and
-- past_enrolment_by_student.
create function members_of_group(of_group bigint, in_year bigint) returns setof uuid language sql stable as $$
    select m.student_id
    from teaching_group g
    join grouping gr on gr.id = g.grouping_id
    join group_member m on m.group_id = g.id
    join student st on st.id = m.student_id and st.deleted_at is null
    where g.id = of_group and case
        when gr.state = 'replaced' then m.joined_at is not null and m.left_at = (
            select max(o.left_at)
            from teaching_group og
            join group_member o on o.group_id = og.id
            where og.grouping_id = gr.id)
            and ((st.status = 'active' and st.school_id = gr.school_id) or exists (
                select 1 from past_enrolment p
                where p.student_id = st.id and p.school_id = gr.school_id and p.until_on > m.left_at::date and not p.is_aside))
        else m.left_at is null and (
            (st.status = 'active' and st.school_id = gr.school_id)
            or (m.joined_at is not null and exists (
                select 1 from past_enrolment p
                where p.student_id = st.id and p.school_id = gr.school_id and p.school_year_id = in_year and not p.is_aside)))
            and (in_year is null or m.joined_at is null or m.joined_at < (
                select y.ends_on + interval '2 days' from school_year y where y.id = in_year))
        end
$$;
