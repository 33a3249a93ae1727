-- Visits -------------------------------------------------------------------------------------------------------------------

create type visit_state as enum ('draft', 'submitted');
create type follow_up_state as enum ('open', 'done', 'cancelled');
create type planned_visit_state as enum ('planned', 'done', 'cancelled');
create type photo_state as enum ('storing', 'stored', 'removed');

-- A mentor's visit of one school for one subject. id is made by the client; write_id is that of the last write.
create table visit (
    id uuid primary key,
    write_id uuid not null,
    school_id bigint not null references school,
    subject subject not null,
    mentor_id bigint not null references person,
    teacher_id bigint references person,
    visited_on date not null,
    form_version_id bigint not null,
    answers jsonb not null constraint visit_answers_are_bounded
        check (jsonb_typeof(answers) = 'object' and octet_length(answers::text) <= 65536),
    state visit_state not null default 'draft',
    completeness real not null default 0 constraint visit_completeness_is_a_share check (completeness between 0 and 1),
    -- of a submitted visit whose session ran: points over what applied, and what they were given for
    fidelity numeric(5, 4) constraint visit_fidelity_is_a_share check (fidelity between 0 and 1),
    fidelity_of jsonb,
    version integer not null default 1,
    created_at timestamptz not null,
    changed_at timestamptz not null,
    submitted_at timestamptz,
    locked_at timestamptz,
    locked_by bigint references person,
    lock_reason text constraint visit_lock_reason_is_short check (length(lock_reason) <= 200),
    deleted_at timestamptz,
    deleted_by bigint references person,
    delete_reason text constraint visit_delete_reason_is_short check (length(delete_reason) <= 500),
    constraint visit_submitted_since check ((state = 'submitted') = (submitted_at is not null)),
    constraint visit_lock_says_who_and_why check (num_nonnulls(locked_at, locked_by, lock_reason) in (0, 3))
);
create index visit_by_day on visit (visited_on desc, id desc) where deleted_at is null;
create index visit_by_school on visit (school_id, visited_on desc, id desc) where deleted_at is null;
create index visit_by_mentor on visit (mentor_id, visited_on desc, id desc) where deleted_at is null;
create index visit_by_teacher on visit (teacher_id, visited_on desc, id desc) where deleted_at is null and teacher_id is not null;
create index visit_by_form on visit (form_version_id);
create index visit_deleted on visit (deleted_at) where deleted_at is not null;

-- Every later change of a submitted visit.
create table visit_change (
    id bigint generated always as identity primary key,
    visit_id uuid not null references visit,
    version integer not null,
    at timestamptz not null,
    person_id bigint not null references person,
    before jsonb not null,
    after jsonb not null
);
create index visit_change_by_visit on visit_change (visit_id, id);

-- What was agreed to be done after a visit: at most 20 a visit. Deleted visits hide theirs.
create table follow_up (
    id uuid primary key,
    visit_id uuid not null references visit,
    school_id bigint not null references school,
    subject subject not null,
    owner_id bigint not null references person,
    words text not null constraint follow_up_words_are_short check (length(words) between 1 and 500),
    due_on date not null,
    state follow_up_state not null default 'open',
    version integer not null default 1,
    raised_by bigint not null references person,
    raised_at timestamptz not null,
    closed_by bigint references person,
    closed_at timestamptz,
    closed_words text constraint follow_up_closed_words_are_short check (length(closed_words) between 1 and 500),
    constraint follow_up_closed_says_how check (num_nonnulls(closed_by, closed_at, closed_words) = case state when 'open' then 0 else 3 end)
);
create index follow_up_by_visit on follow_up (visit_id, id);
create index follow_up_open_by_due on follow_up (due_on, id) where state = 'open';
create index follow_up_open_by_owner on follow_up (owner_id, due_on, id) where state = 'open';
create index follow_up_open_by_school on follow_up (school_id, due_on, id) where state = 'open';
create index follow_up_closed on follow_up (due_on, id) where state <> 'open';

-- Visits that are planned; done by the visit that fulfils them.
create table planned_visit (
    id uuid primary key,
    school_id bigint not null references school,
    subject subject not null,
    mentor_id bigint not null references person,
    planned_on date not null,
    note text not null default '' constraint planned_visit_note_is_short check (length(note) <= 200),
    state planned_visit_state not null default 'planned',
    visit_id uuid references visit,
    version integer not null default 1,
    created_at timestamptz not null,
    created_by bigint not null references person,
    changed_at timestamptz not null,
    cancel_reason text constraint planned_visit_cancel_reason_is_short check (length(cancel_reason) <= 200),
    constraint planned_visit_done_by_a_visit check ((state = 'done') = (visit_id is not null)),
    constraint planned_visit_cancelled_says_why check ((state = 'cancelled') = (cancel_reason is not null))
);
create unique index planned_visit_is_unique on planned_visit (mentor_id, school_id, subject, planned_on) where state = 'planned';
create index planned_visit_by_mentor on planned_visit (mentor_id, planned_on, id);
create index planned_visit_by_school on planned_visit (school_id, planned_on, id);
create index planned_visit_by_day on planned_visit (planned_on, id);
create index planned_visit_by_visit on planned_visit (visit_id) where visit_id is not null;

-- The secret addresses of calendars: at most five usable ones a person. The secret itself is never stored: token_hash is SHA-256 of it.
create table calendar_link (
    id uuid primary key default new_id(),
    person_id bigint not null references person,
    token_hash bytea not null constraint calendar_link_is_unique unique
        constraint calendar_link_hash_is_sha256 check (length(token_hash) = 32),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz
);
create index calendar_link_by_person on calendar_link (person_id, created_at desc);

-- Photos of visits: at most five a visit, and so many bytes a school and in all (programme/photos). The bytes lie in the store; a row is
-- there before them and goes after them, so that none is forgotten.
create table photo (
    id uuid primary key,
    visit_id uuid not null references visit,
    school_id bigint not null references school,
    state photo_state not null default 'storing',
    sha256 bytea not null constraint photo_hash_is_sha256 check (length(sha256) = 32),
    size_bytes integer not null constraint photo_size_is_bounded check (size_bytes between 1 and 2000000),
    width smallint not null,
    height smallint not null,
    keeps_place boolean not null default false,
    created_at timestamptz not null,
    created_by bigint not null references person,
    removed_at timestamptz,
    constraint photo_removed_since check ((state = 'removed') = (removed_at is not null))
);
create unique index photo_is_once_on_a_visit on photo (visit_id, sha256) where state <> 'removed';
create index photo_to_sweep on photo (created_at, id) where state <> 'stored';

create table photo_space (
    school_id bigint primary key references school,
    size_bytes bigint not null constraint photo_space_is_counted check (size_bytes >= 0)
);

