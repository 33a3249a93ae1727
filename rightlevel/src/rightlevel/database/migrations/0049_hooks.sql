-- Webhooks: whom others asked to be told, and what is told them; and the approval of a school's results in a round, step by step.

-- An address that is told of what happens. `secret` signs what is sent, sealed; the one before it signs beside it until it runs out.
create table webhook (
    id bigint generated always as identity primary key,
    name text not null constraint webhook_name_is_short check (length(name) between 1 and 100),
    url text not null constraint webhook_url_is_short check (length(url) between 1 and 500),
    events text[] not null constraint webhook_events_are_known check (
        cardinality(events) between 1 and 7 and events <@ array['round.closed', 'round.reopened', 'round.frozen', 'import.done', 'import.undone',
            'school.complete', 'school.approved']),
    is_on boolean not null default true,
    secret bytea not null constraint webhook_secret_is_short check (octet_length(secret) <= 200),
    secret_before bytea constraint webhook_secret_before_is_short check (octet_length(secret_before) <= 200),
    secret_before_until timestamptz,
    version integer not null default 1,
    created_at timestamptz not null,
    created_by bigint not null references person
);

-- What is told one address: written in the deed's own transaction, sent afterwards, tried again until `until_at`, kept for a while.
create table webhook_delivery (
    id bigint generated always as identity primary key,
    message_id uuid not null default gen_random_uuid(),
    webhook_id bigint not null references webhook on delete cascade,
    event text not null constraint webhook_delivery_event_is_short check (length(event) between 1 and 40),
    body text not null constraint webhook_delivery_body_is_short check (octet_length(body) <= 8192),
    made_at timestamptz not null,
    state text not null constraint webhook_delivery_state_is_known check (state in ('waiting', 'sent', 'dead')),
    attempts integer not null default 0,
    next_at timestamptz not null,
    until_at timestamptz not null,
    ended_at timestamptz,
    status integer,
    error text constraint webhook_delivery_error_is_short check (length(error) <= 300),
    constraint webhook_delivery_ends_once check ((ended_at is null) = (state = 'waiting'))
);
create index webhook_delivery_waiting on webhook_delivery (webhook_id, next_at) where state = 'waiting';
create index webhook_delivery_by_webhook on webhook_delivery (webhook_id, state, id desc);
create index webhook_delivery_ended on webhook_delivery (ended_at) where ended_at is not null;

-- Schools whose results of a round were told to be complete; gone where they no longer are, so that it is told again.
create table school_told (
    round_id bigint not null references round,
    school_id bigint not null references school,
    told_at timestamptz not null,
    primary key (round_id, school_id)
);

-- The steps by which a school's results of a round are approved, in their order; none where nobody need approve.
alter table round add column approval_steps text[] not null default '{}'
    constraint round_approval_steps_are_known check (
        approval_steps in ('{}', '{school}', '{district}', '{programme}', '{school,district}', '{school,programme}', '{district,programme}',
            '{school,district,programme}'));

-- How far a school's results of a round are approved: the step that they wait for, none once they are. `locked_at` is that of the lock it set.
create table school_approval (
    round_id bigint not null references round,
    school_id bigint not null references school,
    waits_for text constraint school_approval_waits_for_a_step check (waits_for in ('school', 'district', 'programme')),
    last_by bigint references person,
    changed_at timestamptz not null,
    locked_at timestamptz,
    version integer not null default 1,
    primary key (round_id, school_id)
);
create index school_approval_waiting on school_approval (round_id, waits_for, school_id) where waits_for is not null;

-- Who approved or returned a school's results, at which step, when and why.
create table approval_step (
    id bigint generated always as identity primary key,
    round_id bigint not null,
    school_id bigint not null,
    step text not null constraint approval_step_is_known check (step in ('school', 'district', 'programme')),
    deed text not null constraint approval_step_deed_is_known check (deed in ('approved', 'returned')),
    at timestamptz not null,
    person_id bigint not null references person,
    words text not null constraint approval_step_words_are_short check (length(words) <= 200),
    foreign key (round_id, school_id) references school_approval on delete cascade
);
create index approval_step_by_school on approval_step (round_id, school_id, id desc);
