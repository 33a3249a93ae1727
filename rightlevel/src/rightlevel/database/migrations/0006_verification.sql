-- Verification, locks, frozen rounds ---------------------------------------------------------------------------------------

create type verification_state as enum ('pending', 'agreed', 'disagreed', 'resolved', 'returned', 'withdrawn');

alter table result add column locked_by bigint references person;
alter table result add column lock_reason text constraint result_lock_reason_is_short check (length(lock_reason) <= 200);

-- What a guided test consisted of, by the write that brought it. At most eight steps each.
create table guided_test (
    write_id uuid primary key,
    result_id uuid not null references result on delete cascade,
    steps jsonb not null constraint guided_test_is_small check (pg_column_size(steps) <= 4096)
);
create index guided_test_by_result on guided_test (result_id);

-- A seeded sample of results to test again. The same seed draws the same children.
create table verification_draw (
    id bigint generated always as identity primary key,
    round_id bigint not null references round,
    subject subject not null,
    school_id bigint references school,
    place_id bigint references place,
    seed bigint not null,
    margin double precision not null,
    confidence double precision not null,
    expected double precision not null,
    population integer not null,
    size integer not null,
    visible_on date not null,
    drawn_at timestamptz not null default now(),
    drawn_by bigint not null references person,
    constraint verification_draw_is_of_a_school_or_a_place check (num_nonnulls(school_id, place_id) = 1)
);
create index verification_draw_by_round on verification_draw (round_id, id);

-- One re-test of one result, by somebody else and blind. round_id, subject and school_id are the result's; first_* is what the re-test was
-- compared with when it was saved. At most one of a result is under way.
create table verification (
    id uuid primary key default new_id(),
    result_id uuid not null references result on delete cascade,
    draw_id bigint references verification_draw,
    round_id bigint not null references round,
    subject subject not null,
    school_id bigint not null references school,
    state verification_state not null default 'pending',
    visible_on date not null,
    missed smallint not null default 0,
    version integer not null default 1,
    created_at timestamptz not null default now(),
    created_by bigint not null references person,
    write_id uuid constraint verification_write_is_unique unique,
    verifier_id bigint references person,
    tested_on date,
    tool smallint constraint verification_tool_is_1_to_4 check (tool between 1 and 4),
    rank smallint constraint verification_rank_is_counted check (rank between 1 and 9),
    notes text constraint verification_notes_are_short check (length(notes) <= 500),
    first_rank smallint,
    first_tool smallint,
    first_assessor_id bigint references person,
    settled_at timestamptz,
    settled_by bigint references person,
    stands text constraint verification_stands_is_known check (stands in ('first', 'second')),
    reason text constraint verification_reason_is_short check (length(reason) <= 200),
    constraint verification_is_by_somebody_else check (verifier_id <> first_assessor_id),
    constraint verification_is_with_another_tool check (tool <> first_tool),
    constraint verification_compares_what_it_says check (
        (state in ('agreed', 'disagreed', 'resolved')) <= (rank is not null and first_rank is not null and verifier_id is not null)),
    constraint verification_agrees_only_on_one_level check ((state = 'agreed') <= (rank = first_rank)),
    constraint verification_settled_says_why check ((state in ('resolved', 'returned', 'withdrawn')) <= (reason is not null))
);
create unique index verification_one_under_way on verification (result_id) where state in ('pending', 'disagreed', 'returned');
create index verification_by_result on verification (result_id);
create index verification_queue on verification (school_id, round_id, visible_on, id) where state in ('pending', 'disagreed', 'returned');
create index verification_waiting on verification (round_id, state, id) where state in ('pending', 'disagreed', 'returned');
create index verification_compared on verification (round_id, subject, school_id) where state in ('agreed', 'disagreed', 'resolved');
create index verification_by_draw on verification (draw_id) where draw_id is not null;

-- A frozen round as it was, for ever: one part a school, written once the round is frozen; sealed when all are there. The round's hash is that
-- of its parts' hashes in the order of their schools.
create table round_snapshot (
    round_id bigint primary key references round,
    frozen_at timestamptz not null,
    frozen_by bigint not null references person,
    sealed_at timestamptz,
    parts integer not null default 0,
    results bigint not null default 0,
    sha256 bytea
);
create table round_snapshot_part (
    round_id bigint not null references round_snapshot,
    school_id bigint not null references school,
    results integer not null,
    content text not null,
    sha256 bytea not null,
    primary key (round_id, school_id)
);

-- What was changed in a frozen round, with the line that it had in the snapshot (null for a result that was not in it).
create table amendment (
    id bigint generated always as identity primary key,
    round_id bigint not null references round_snapshot,
    result_id uuid not null references result on delete cascade,
    school_id bigint not null,
    before_line text,
    at timestamptz not null default now(),
    person_id bigint references person,
    reason text not null constraint amendment_says_why check (length(reason) between 1 and 200)
);
create index amendment_by_round on amendment (round_id, school_id, result_id, id);

-- A result as a line of a snapshot: everything that was measured, and a hash instead of the notes, which may hold a name.
create function snapshot_line(r result) returns text language sql stable as $$
    select concat_ws('|', r.student_id, r.subject, r.id, r.school_id, r.grade, r.sex, r.outcome, coalesce(r.rank::text, ''), to_char(r.tested_on, 'YYYY-MM-DD'),
        r.method, coalesce(r.tool::text, ''), coalesce(r.assent::text, ''), r.is_selected, r.is_hidden, r.assessor_id,
        coalesce(encode(sha256(convert_to(r.notes, 'UTF8')), 'hex'), ''))
$$;

-- Nothing of a frozen round changes without a reason and a trace, whoever changes it. The reason comes with the transaction (rounds/queries.sql: amend).
create function keep_amendments() returns trigger language plpgsql as $$
declare
    said text := nullif(current_setting('rightlevel.amending', true), '');
begin
    if not exists (select 1 from old_rows o join round_snapshot s on s.round_id = o.round_id) then
        return null;
    end if;
    if tg_op = 'DELETE' then
        raise exception 'results of a frozen round are not removed' using errcode = 'check_violation', constraint = 'round_is_frozen';
    end if;
    if exists (
        select 1
        from old_rows o
        join new_rows n on n.id = o.id
        join round_snapshot s on s.round_id = o.round_id and s.sealed_at is null
        where o.deleted_at is distinct from n.deleted_at or snapshot_line(o::result) <> snapshot_line(n::result)) then
        raise exception 'a round that is being frozen does not change' using errcode = 'check_violation', constraint = 'round_is_sealing';
    end if;
    if said is null and exists (
        select 1
        from old_rows o
        join new_rows n on n.id = o.id
        join round_snapshot s on s.round_id = o.round_id
        where o.deleted_at is distinct from n.deleted_at or snapshot_line(o::result) <> snapshot_line(n::result)) then
        raise exception 'a result of a frozen round changes only with a reason' using errcode = 'check_violation', constraint = 'round_is_frozen';
    end if;
    insert into amendment (round_id, result_id, school_id, before_line, person_id, reason)
    select o.round_id, o.id, o.school_id, case when o.deleted_at is null then snapshot_line(o::result) end,
        nullif(current_setting('rightlevel.amending_by', true), '')::bigint, left(said, 200)
    from old_rows o
    join new_rows n on n.id = o.id
    join round_snapshot s on s.round_id = o.round_id
    where o.deleted_at is distinct from n.deleted_at or snapshot_line(o::result) <> snapshot_line(n::result);
    return null;
end $$;
create trigger result_amendments_on_update after update on result referencing old table as old_rows new table as new_rows
    for each statement execute function keep_amendments();
create trigger result_amendments_on_delete after delete on result referencing old table as old_rows
    for each statement execute function keep_amendments();

-- A child that is removed or brought back takes its results out of the figures or back into them: in a frozen round that is an amendment.
create or replace function hide_results_of_student() returns trigger language plpgsql as $$
declare
    says_why boolean := nullif(current_setting('rightlevel.amending', true), '') is not null;
begin
    if not says_why then
        perform set_config('rightlevel.amending',
            coalesce(nullif(new.delete_reason, ''), nullif(old.delete_reason, ''), 'the child was removed or brought back'), true);
        perform set_config('rightlevel.amending_by', coalesce(new.deleted_by, old.deleted_by)::text, true);
    end if;
    update result set is_hidden = new.deleted_at is not null where student_id = new.id and deleted_at is null;
    if not says_why then
        perform set_config('rightlevel.amending', '', true);
        perform set_config('rightlevel.amending_by', '', true);
    end if;
    return null;
end $$;
