-- Lists that don't grow with the country.

-- Building one index over every child takes longer than a step is usually given.
set local statement_timeout = '10min';

-- A choice of all children by grade, sex or status goes down one stretch of this for each kind it takes, in the order of names; so does its count.
create index student_by_kind on student (grade, sex, status, name_key, id) where deleted_at is null;
drop index student_left_by_name;
create index student_deleted_by_kind on student (grade, sex, status, name_key, id) where deleted_at is not null and merged_into is null;
create index student_deleted_by_code on student (lower(code)) where deleted_at is not null and merged_into is null;

-- The audit of one kind of thing, and of whoever has or had a username.
create index audit_entry_by_kind on audit_entry (resource, id desc);
create index person_by_username on person (username);

-- What re-tests say is counted from one index, and so is how many are open; practice schools, of which there are few, are left out of both.
drop index verification_compared;
create index verification_compared on verification (round_id, subject, school_id)
    include (first_rank, rank, first_tool, first_assessor_id, state, ended_from, ended_why, result_id)
    where coalesce(ended_from, state) in ('agreed', 'disagreed', 'resolved');
create index verification_open on verification (round_id, state, school_id) where state in ('pending', 'disagreed', 'returned');
create index school_practice on school (id) where is_practice;
