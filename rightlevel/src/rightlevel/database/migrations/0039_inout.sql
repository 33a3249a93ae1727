-- Files taken out, each with what proves it.

-- A text as a spreadsheet shows it and never computes it. *Source*: OWASP, CSV injection. Imports take the apostrophe away again.
create function sheet_text(words text, defuse boolean) returns text language sql immutable parallel safe as $$
    select case when defuse and words ~ '^[-=+@\t\r\n＝＋－＠]' then '''' || words else words end
$$;

-- The age of a child on a day in bands of two years, for files that don't say who it is.
create function age_band(birth_on date, age smallint, on_day date) returns text language sql immutable parallel safe as $$
    select case when years < 8 then 'under 8' when years < 10 then '8-9' when years < 12 then '10-11' when years < 14 then '12-13' else '14 and over' end
    from (select coalesce(extract(year from pg_catalog.age(on_day, birth_on))::smallint, age) as years) child
    where years is not null
$$;

-- A file that was taken out: by whom, of what, as of when, and what it held. Rows are counted, never kept.
create table export_run (
    id uuid primary key default new_id(),
    what text not null,
    format text not null,
    filters jsonb not null,
    is_deidentified boolean not null,
    person_id bigint not null references person,
    state text not null default 'running' constraint export_run_state_is_known check (state in ('running', 'done', 'stopped', 'failed')),
    started_at timestamptz not null,
    ended_at timestamptz,
    as_of timestamptz,
    rows_sent bigint not null default 0,
    bytes_sent bigint not null default 0,
    sha256 text,
    counts jsonb not null default '{}',
    constraint export_run_done_is_proven check ((state = 'done') <= (sha256 is not null and as_of is not null)),
    constraint export_run_ends_once check ((state = 'running') = (ended_at is null))
);
create index export_run_by_time on export_run (started_at desc, id);
create index export_run_by_person on export_run (person_id, started_at desc, id);

-- What an import did, so that it can be undone for thirty days: what it added by id, of what it changed how it was before. It holds names: an erased
-- child's go. An undoing is a run of its own, which says what it undoes.
alter table import_run add column undoes uuid references import_run on delete cascade;
alter table import_run add column undone_at timestamptz;
create unique index import_run_is_undone_once on import_run (undoes) where undoes is not null and state in ('waiting', 'reading', 'saving', 'done');
create index import_run_by_undone on import_run (undoes) where undoes is not null;

create table import_added (
    run_id uuid not null references import_run on delete cascade,
    number bigint generated always as identity,
    thing text not null constraint import_added_thing_is_known check (thing in ('student', 'class', 'school', 'place')),
    student_ids uuid[],
    other_ids bigint[],
    primary key (run_id, number),
    constraint import_added_is_of_one_kind check (num_nonnulls(student_ids, other_ids) = 1)
);

create table import_changed (
    run_id uuid not null references import_run on delete cascade,
    number bigint generated always as identity,
    student_id uuid,
    school_id bigint,
    version integer not null,
    before jsonb not null,
    primary key (run_id, number),
    constraint import_changed_is_of_one_thing check (num_nonnulls(student_id, school_id) = 1)
);
create index import_changed_by_student on import_changed (student_id) where student_id is not null;
