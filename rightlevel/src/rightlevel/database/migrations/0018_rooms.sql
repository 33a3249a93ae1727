-- The programme's time zone ------------------------------------------------------------------------------------------------

-- In which zone the programme's days are: the one that was chosen (setting `time_zone`, an IANA name), and the code of the country of the
-- place tree, whose zone it is as long as none was chosen (programme/time_zone/model.py). One row.
create view programme_zone as
    select
        (select s.value #>> '{}' from setting s where s.key = 'time_zone') as chosen,
        (select p.code from place p where p.parent_id is null and p.deleted_at is null order by p.id limit 1) as country;

-- A day is the programme's and comes with the statement: the server's own day is another one for hours.
alter table assignment alter column from_on drop default;

-- Re-tests end with what they said ------------------------------------------------------------------------------------------

alter type verification_state add value 'ended';

-- A re-test that no longer concerns its result: what it was before, since when, and why. `child_school_id` is where the child is now, which
-- decides who sees and does a re-test; `school_id` stays the result's.
alter table verification
    add column ended_from verification_state,
    add column ended_at timestamptz,
    add column ended_why text constraint verification_end_is_known
        check (ended_why in ('changed', 'not_assessed', 'removed', 'answered', 'frozen')),
    add column child_school_id bigint references school,
    add constraint verification_end_is_whole check (num_nonnulls(ended_from, ended_at, ended_why) in (0, 3)),
    add constraint verification_says_that_it_ended check ((state::text = 'ended') = (ended_from is not null));
drop index verification_queue;
create index verification_queue on verification (child_school_id, round_id, visible_on, id) where state in ('pending', 'disagreed', 'returned');
drop index verification_compared;
create index verification_compared on verification (round_id, subject, school_id)
    where coalesce(ended_from, state) in ('agreed', 'disagreed', 'resolved');
create index verification_over on verification (round_id, id) where state = 'withdrawn' or ended_from is not null;

-- Ends what re-tests say or wait for of a result, and asks for one again where there still is a level to test and the round isn't frozen.
create function end_retests(of_result uuid, why text, at timestamptz) returns void language plpgsql as $$
begin
    update verification
    set ended_from = state, state = 'ended', ended_at = at, ended_why = why, version = version + 1
    where result_id = of_result
        and (state in ('agreed', 'resolved', 'disagreed', 'returned') or state = 'pending' and why in ('removed', 'not_assessed'));
    insert into verification (result_id, draw_id, round_id, subject, school_id, visible_on, created_at, created_by)
    select v.result_id, v.draw_id, v.round_id, v.subject, v.school_id, v.visible_on, at, v.created_by
    from (select * from verification each where each.result_id = of_result order by each.id desc limit 1) v
    join result r on r.id = v.result_id and r.deleted_at is null and r.outcome = 'assessed'
    join round d on d.id = v.round_id and d.state <> 'frozen'
    where why in ('changed', 'answered') and v.ended_why in ('changed', 'answered', 'not_assessed');
end $$;

-- What was verified is verified at that level only, whoever changes it and by whichever way.
create function lose_verified_level() returns trigger language plpgsql as $$
begin
    new.is_verified := false;
    return new;
end $$;
create trigger result_loses_its_verification before update of outcome, rank, tested_on, tool on result for each row
    when (old.is_verified and new.is_verified
        and (old.outcome, old.rank, old.tested_on, old.tool) is distinct from (new.outcome, new.rank, new.tested_on, new.tool))
    execute function lose_verified_level();

create function end_retests_of_result() returns trigger language plpgsql as $$
begin
    if new.deleted_at is not null or new.is_hidden then
        perform end_retests(new.id, 'removed', coalesce(new.deleted_at, now()));
    elsif old.deleted_at is not null or old.is_hidden then
        -- It is as it was: so is what was known of it.
        update verification
        set state = ended_from, ended_from = null, ended_at = null, ended_why = null, version = version + 1
        where result_id = new.id and ended_why = 'removed';
    else
        perform end_retests(new.id, case new.outcome when 'assessed' then 'changed' else 'not_assessed' end, new.changed_at);
    end if;
    return null;
end $$;
-- A result goes with its child too (is_hidden), also with one that was made one with another: nobody waits for what was set aside. A decision
-- that the second level stands gives it to the result and verifies it in one: that ends nothing.
create trigger result_ends_its_retests after update of outcome, rank, tested_on, tool, deleted_at, is_hidden on result for each row
    when ((old.deleted_at is null and not old.is_hidden) <> (new.deleted_at is null and not new.is_hidden)
        or new.deleted_at is null and not new.is_hidden and not new.is_verified
        and (old.outcome, old.rank, old.tested_on, old.tool) is distinct from (new.outcome, new.rank, new.tested_on, new.tool))
    execute function end_retests_of_result();

-- Re-tests are done where the child is.
create function place_retest() returns trigger language plpgsql as $$
begin
    new.child_school_id := coalesce(
        (select st.school_id from result r join student st on st.id = r.student_id where r.id = new.result_id),
        new.child_school_id, new.school_id);
    return new;
end $$;
create trigger verification_is_where_its_child_is before insert on verification for each row execute function place_retest();

create function move_retests() returns trigger language plpgsql as $$
begin
    if tg_table_name = 'student' then
        update verification v
        set child_school_id = new.school_id
        from result r
        where r.student_id = new.id and v.result_id = r.id and v.child_school_id is distinct from new.school_id;
    else
        update verification v
        set child_school_id = st.school_id
        from student st
        where st.id = new.student_id and v.result_id = new.id and v.child_school_id is distinct from st.school_id;
    end if;
    return null;
end $$;
create trigger student_takes_its_retests_along after update of school_id on student for each row
    when (old.school_id <> new.school_id) execute function move_retests();
create trigger result_takes_its_retests_along after update of student_id on result for each row
    when (old.student_id <> new.student_id) execute function move_retests();

-- Assignments that follow each other --------------------------------------------------------------------------------------------

-- Nobody holds the same twice on one day; one that ran out by its date is followed by another. A range of one number stands for the number,
-- so that no extension is needed.
drop index assignment_is_unique_while_active;
alter table assignment add constraint assignment_is_unique_on_each_day exclude using gist (
    int8range(person_id, person_id, '[]') with &&,
    int8range(school_id, school_id, '[]') with &&,
    int4range((subject = 'math')::int, (subject = 'math')::int, '[]') with &&,
    int8range(coalesce(class_id, 0), coalesce(class_id, 0), '[]') with &&,
    daterange(from_on, to_on, '[]') with &&) where (ended_at is null);
create index assignment_by_person on assignment (person_id, school_id);
create index assignment_by_class on assignment (class_id) where class_id is not null and ended_at is null;

-- What mentors leave behind: drafts and plans that are open, of which there are few at a time.
create index visit_draft on visit (visited_on, id) where state = 'draft' and deleted_at is null;
create index planned_visit_open on planned_visit (planned_on, id) where state = 'planned';

-- Children that were merged --------------------------------------------------------------------------------------------------

-- The record that a record went into, through as many merges as there were; itself when it stands by itself.
create function kept_student(wanted uuid) returns uuid language sql stable as $$
    with recursive way (id, merged_into, steps) as (
        select s.id, s.merged_into, 0 from student s where s.id = wanted
        union all
        select s.id, s.merged_into, w.steps + 1 from way w join student s on s.id = w.merged_into where w.steps < 100
    )
    select w.id from way w where w.merged_into is null
$$;
