-- Lives of children: where they were, roll-over, consent, twins, erasure ----------------------------------------------------------

alter table student add column guardian_withdrawn_on date;
alter table student add column merged_into uuid references student on delete cascade;
alter table student add column erased_at timestamptz;
alter table student add constraint student_merged_is_deleted check (merged_into is null or deleted_at is not null);
alter table student add constraint student_withdrawn_has_no_contact check (guardian_withdrawn_on is null or guardian_contact is null);
create index student_by_merge on student (merged_into) where merged_into is not null;

-- One step that takes a school from one year to the next. What each child was stands in past_enrolment, so that it can be undone.
create table roll_over (
    id uuid primary key,
    school_id bigint not null references school,
    from_year_id bigint not null references school_year,
    to_year_id bigint not null references school_year,
    rolled_on date not null,
    up integer not null default 0,
    stayed integer not null default 0,
    finished integer not null default 0,
    classes_made integer not null default 0,
    made_at timestamptz not null,
    made_by bigint not null references person,
    undone_at timestamptz,
    undone_by bigint references person,
    undo_reason text constraint roll_over_undo_reason_is_short check (length(undo_reason) between 1 and 200),
    constraint roll_over_goes_to_another_year check (from_year_id <> to_year_id),
    constraint roll_over_undone_says_who_and_why check (num_nonnulls(undone_at, undone_by, undo_reason) in (0, 3))
);
create unique index roll_over_is_once on roll_over (school_id, from_year_id) where undone_at is null;
create index roll_over_by_school on roll_over (school_id, made_at desc, id desc);

-- The classes that a roll-over made, or brought back (was_deleted).
create table roll_over_class (
    roll_over_id uuid not null references roll_over on delete cascade,
    class_id bigint not null references class on delete cascade,
    was_deleted boolean not null,
    primary key (roll_over_id, class_id)
);
create index roll_over_class_by_class on roll_over_class (class_id);

-- closes_year: the child stood there when its school went on to the next year. It counts as enrolled in that year for ever, so that the
-- coverage of a year that is over keeps its denominator. is_hidden: its child was removed (a trigger on student keeps this).
alter table past_enrolment add column words text not null default '' constraint past_enrolment_words_are_short check (length(words) <= 200);
alter table past_enrolment add column sex smallint;
alter table past_enrolment add column closes_year boolean not null default false;
alter table past_enrolment add column is_hidden boolean not null default false;
alter table past_enrolment add column roll_over_id uuid references roll_over;
alter table past_enrolment add constraint past_enrolment_closing_has_a_sex check (not closes_year or sex is not null);
create unique index past_enrolment_closes_a_year_once on past_enrolment (student_id, school_year_id) where closes_year;
create index past_enrolment_closing on past_enrolment (school_id, school_year_id) where closes_year;
create index past_enrolment_by_roll_over on past_enrolment (roll_over_id, student_id) where roll_over_id is not null;

create or replace view counted_student as
    select each.school_year_id, each.school_id, each.grade, each.sex, sum(each.children)::bigint as children
    from (
        select st.school_year_id, st.school_id, st.grade, st.sex, count(*) as children
        from student st
        where st.deleted_at is null and st.status = 'active'
        group by st.school_year_id, st.school_id, st.grade, st.sex
        union all
        select p.school_year_id, p.school_id, p.grade, p.sex, count(*)
        from past_enrolment p
        where p.closes_year and not p.is_hidden
        group by p.school_year_id, p.school_id, p.grade, p.sex) each
    join school s on s.id = each.school_id
    where not s.is_practice
    group by each.school_year_id, each.school_id, each.grade, each.sex;

create function keep_closed_counts() returns trigger language plpgsql as $$
declare
    deltas enrolled_delta[];
begin
    if tg_op = 'INSERT' then
        deltas := array(
            select row(school_year_id, school_id, grade, sex, count(*))::enrolled_delta
            from new_rows where closes_year and not is_hidden
            group by school_year_id, school_id, grade, sex);
    elsif tg_op = 'DELETE' then
        deltas := array(
            select row(school_year_id, school_id, grade, sex, -count(*))::enrolled_delta
            from old_rows where closes_year and not is_hidden
            group by school_year_id, school_id, grade, sex);
    else
        deltas := array(
            select row(school_year_id, school_id, grade, sex, sum(sign))::enrolled_delta
            from (
                select 1 as sign, school_year_id, school_id, grade, sex from new_rows where closes_year and not is_hidden
                union all
                select -1, school_year_id, school_id, grade, sex from old_rows where closes_year and not is_hidden) changed
            group by school_year_id, school_id, grade, sex
            having sum(sign) <> 0);
    end if;
    if cardinality(deltas) > 0 then
        perform add_school_enrolled(deltas);
        perform add_place_enrolled(deltas);
    end if;
    return null;
end $$;
create trigger closed_counts_on_insert after insert on past_enrolment referencing new table as new_rows
    for each statement execute function keep_closed_counts();
create trigger closed_counts_on_update after update on past_enrolment referencing old table as old_rows new table as new_rows
    for each statement execute function keep_closed_counts();
create trigger closed_counts_on_delete after delete on past_enrolment referencing old table as old_rows
    for each statement execute function keep_closed_counts();

create function hide_past_of_student() returns trigger language plpgsql as $$
begin
    update past_enrolment set is_hidden = new.deleted_at is not null where student_id = new.id and closes_year;
    return null;
end $$;
create trigger student_hides_its_past after update of deleted_at on student for each row
    when ((old.deleted_at is null) <> (new.deleted_at is null)) execute function hide_past_of_student();

-- A child that is enrolled in a year again counts there by itself, whichever way it came back.
create function reopen_year_of_student() returns trigger language plpgsql as $$
begin
    update past_enrolment set closes_year = false
    where student_id = new.id and school_year_id = new.school_year_id and closes_year;
    return null;
end $$;
create trigger student_reopens_its_year after update of status, school_year_id on student for each row
    when (new.status = 'active' and (old.status, old.school_year_id) is distinct from (new.status, new.school_year_id))
    execute function reopen_year_of_student();

-- Two children of whom somebody said that they are not the same child.
create table not_twins (
    first_id uuid not null references student on delete cascade,
    second_id uuid not null references student on delete cascade,
    said_at timestamptz not null,
    said_by bigint not null references person,
    primary key (first_id, second_id),
    constraint not_twins_is_in_order check (first_id < second_id)
);
create index not_twins_by_second on not_twins (second_id);

-- Two records of one child made one: gone_id is deleted and points at kept_id. `moved` names what went from one to the other, and what was
-- set aside, so that the merge can be undone exactly.
create table student_merge (
    id uuid primary key default new_id(),
    kept_id uuid not null references student on delete cascade,
    gone_id uuid not null references student on delete cascade,
    moved jsonb not null default '{}' constraint student_merge_is_bounded check (octet_length(moved::text) <= 1000000),
    reason text not null constraint student_merge_says_why check (length(reason) between 1 and 200),
    merged_at timestamptz not null,
    merged_by bigint not null references person,
    undone_at timestamptz,
    undone_by bigint references person,
    undo_reason text constraint student_merge_undo_reason_is_short check (length(undo_reason) between 1 and 200),
    constraint student_merge_is_of_two check (kept_id <> gone_id),
    constraint student_merge_undone_says_who_and_why check (num_nonnulls(undone_at, undone_by, undo_reason) in (0, 3))
);
create unique index student_merge_is_once on student_merge (gone_id) where undone_at is null;
create index student_merge_by_gone on student_merge (gone_id);
create index student_merge_by_kept on student_merge (kept_id, merged_at desc, id desc);

