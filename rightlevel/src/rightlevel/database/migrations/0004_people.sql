-- People: joining, one-time codes, second factor, school sign-in, reach of tokens ------------------------------------------

-- What a session still lacks before it may do anything.
alter table person_session add column pending text not null default ''
    constraint person_session_pending_is_known check (pending in ('', 'second_factor', 'enrol'));

-- What a token may do of what its holder may: reading only, or only some resources of the permission table.
alter table api_token add column may_write boolean not null default true;
alter table api_token add column resources text[] constraint api_token_resources_are_few check (cardinality(resources) between 1 and 40);

alter table sign_in_failure drop constraint sign_in_failure_kind_is_known;
alter table sign_in_failure add constraint sign_in_failure_kind_is_known
    check (kind in ('account', 'address', 'factor', 'pin', 'device', 'link'));

-- Requests to join: at most 200 open ones (accounts/joining), the old ones swept by the daily clean-up.
create table join_request (
    id bigint generated always as identity primary key,
    name text not null constraint join_request_name_is_short check (length(name) between 1 and 200),
    contact text not null constraint join_request_contact_is_short check (length(contact) between 3 and 200),
    school_wished text not null default '' constraint join_request_school_wished_is_short check (length(school_wished) <= 200),
    role_wished role not null constraint join_request_role_is_of_the_field check (role_wished in ('teacher', 'mentor')),
    words text not null default '' constraint join_request_words_are_short check (length(words) <= 1000),
    language text not null default 'en',
    address text not null,
    state text not null default 'open' constraint join_request_state_is_known check (state in ('open', 'approved', 'declined')),
    made_at timestamptz not null,
    decided_at timestamptz,
    decided_by bigint references person,
    reason text constraint join_request_reason_is_short check (length(reason) <= 500),
    person_id bigint references person,
    constraint join_request_is_decided_whole check ((state = 'open') = (decided_at is null))
);
create index join_request_by_state on join_request (state, id);
create index join_request_by_age on join_request (made_at);

-- A code with which somebody chooses a new password: at most one a person, used once, a few attempts.
create table one_time_code (
    person_id bigint primary key references person,
    code_hash text not null,
    made_at timestamptz not null,
    made_by bigint references person,
    expires_at timestamptz not null,
    attempts_left smallint not null constraint one_time_code_attempts_are_few check (attempts_left between 0 and 10)
);
create index one_time_code_by_expiry on one_time_code (expires_at);

-- The second factor (RFC 6238), its secret sealed with the deployment's key; one a person. `last_step` refuses replay.
create table second_factor (
    person_id bigint primary key references person,
    sealed_secret bytea not null constraint second_factor_is_small check (length(sealed_secret) between 40 and 200),
    made_at timestamptz not null,
    confirmed_at timestamptz,
    last_step bigint not null default 0
);

-- Ten a person, each used once.
create table recovery_code (
    person_id bigint not null references second_factor on delete cascade,
    code_hash bytea not null constraint recovery_code_hash_is_sha256 check (length(code_hash) = 32),
    primary key (person_id, code_hash)
);

-- A PIN of six digits, good only on a device that is linked to a school of the person's.
create table person_pin (
    person_id bigint primary key references person,
    pin_hash text not null,
    set_at timestamptz not null,
    set_by bigint references person
);

-- Devices linked to a school: at most 20 a school (accounts/devices).
create table school_device (
    id uuid primary key default new_id(),
    school_id bigint not null references school,
    secret_hash bytea not null unique constraint school_device_hash_is_sha256 check (length(secret_hash) = 32),
    label text not null constraint school_device_label_is_short check (length(label) <= 200),
    address text not null,
    linked_by bigint references person,
    linked_at timestamptz not null,
    last_used_at timestamptz not null
);
create index school_device_by_school on school_device (school_id, linked_at desc, id desc);

-- A session that a PIN opened ends with the device's link.
alter table person_session add column school_device_id uuid references school_device on delete cascade;
create index person_session_by_school_device on person_session (school_device_id) where school_device_id is not null;

-- Codes by which a device is linked: at most 5 open ones a school, a quarter of an hour each, used once.
create table device_link_code (
    code_hash bytea primary key constraint device_link_code_hash_is_sha256 check (length(code_hash) = 32),
    school_id bigint not null references school,
    made_by bigint not null references person,
    expires_at timestamptz not null
);
create index device_link_code_by_school on device_link_code (school_id);
create index device_link_code_by_expiry on device_link_code (expires_at);

create index audit_entry_denied on audit_entry (id desc) where outcome <> 'done';

-- Admins need a second factor unless an admin decides otherwise.
insert into setting (key, value) values ('admins_need_second_factor', 'true');
