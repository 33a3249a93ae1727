-- Teaching: groups, quick re-tests, sessions, resources, interventions --------------------------------------------------------

-- The levels that learn together, lowest first, and how far back a session may be entered without a leader's reason.
insert into setting (key, value) values
    ('group_split', '{"language": [["beginner", "letter"], ["word"], ["paragraph", "story", "comprehension1", "comprehension2"]],
        "math": [["beginner", "number_1digit"], ["number_2digit"], ["subtraction", "division", "word_problems"]]}'),
    ('session_days_back', '14');

-- A quick re-test between rounds: no round's result and in no figure. At most one of a child, subject and day; id is the id of the write.
create table level_check (
    id uuid primary key,
    student_id uuid not null references student,
    school_id bigint not null references school,
    subject subject not null,
    rank smallint not null constraint level_check_rank_is_counted check (rank between 1 and 9),
    checked_on date not null,
    person_id bigint not null references person,
    version integer not null default 1,
    created_at timestamptz not null default now(),
    constraint level_check_is_one_a_day unique (student_id, subject, checked_on)
);

-- One division of a school's children in a subject and grade span. Proposals: at most one a school and subject; bands is the split as it was then.
create table grouping (
    id bigint generated always as identity primary key,
    school_id bigint not null references school,
    subject subject not null,
    grade_from smallint not null,
    grade_to smallint not null,
    bands jsonb not null constraint grouping_bands_are_few check (jsonb_array_length(bands) between 1 and 9),
    target_size smallint not null constraint grouping_target_size_is_possible check (target_size between 5 and 60),
    state text not null default 'proposed' constraint grouping_state_is_known check (state in ('proposed', 'accepted', 'replaced')),
    version integer not null default 1,
    made_at timestamptz not null,
    made_by bigint not null references person,
    accepted_at timestamptz,
    accepted_by bigint references person,
    constraint grouping_span_is_in_order check (grade_from between 1 and grade_to and grade_to <= 12),
    constraint grouping_says_who_accepted check ((state = 'proposed') <= (accepted_at is null))
);
create unique index grouping_one_proposal on grouping (school_id, subject) where state = 'proposed';
create index grouping_by_school on grouping (school_id, subject, state);

-- A group is of one band (1 is the lowest). At most 120 of a grouping.
create table teaching_group (
    id bigint generated always as identity primary key,
    grouping_id bigint not null references grouping on delete cascade,
    band smallint not null constraint teaching_group_band_is_counted check (band between 1 and 9),
    number smallint not null constraint teaching_group_number_is_counted check (number between 1 and 120),
    teacher_id bigint references person,
    version integer not null default 1,
    constraint teaching_group_is_unique unique (grouping_id, band, number)
);
create index teaching_group_by_teacher on teaching_group (teacher_id) where teacher_id is not null;

-- A child in a group, from when until when; of a proposal neither is set. `came` is the way it moved to get here: up 1, down -1, else 0.
create table group_member (
    id bigint generated always as identity primary key,
    group_id bigint not null references teaching_group on delete cascade,
    student_id uuid not null references student,
    subject subject not null,
    came smallint not null default 0 constraint group_member_came_is_known check (came between -1 and 1),
    joined_at timestamptz,
    left_at timestamptz,
    constraint group_member_leaves_after_joining check (left_at >= joined_at)
);
create unique index group_member_is_in_one_group on group_member (student_id, subject) where joined_at is not null and left_at is null;
create unique index group_member_is_unique on group_member (group_id, student_id) where left_at is null;
create index group_member_by_student on group_member (student_id, subject, id);

-- Activities and files by subject and level: at most 2,000, their files 2 GB together (programme/resources), in the folder `resources` of the
-- data directory under their SHA-256. Files of what was deleted 30 days ago are removed.
create table resource (
    id bigint generated always as identity primary key,
    kind text not null constraint resource_kind_is_known check (kind in ('activity', 'file', 'link')),
    title text not null constraint resource_title_is_short check (length(title) between 1 and 200),
    words text not null default '' constraint resource_words_are_short check (length(words) <= 4000),
    subject subject,
    rank_from smallint constraint resource_rank_from_is_counted check (rank_from between 1 and 9),
    rank_to smallint constraint resource_rank_to_is_counted check (rank_to between 1 and 9),
    url text constraint resource_url_is_https check (url ~ '^https://' and length(url) <= 1000),
    file_name text constraint resource_file_name_is_short check (length(file_name) between 1 and 200),
    media_type text,
    size_bytes bigint constraint resource_size_is_counted check (size_bytes > 0),
    sha256 text constraint resource_sha256_is_hex check (sha256 ~ '^[0-9a-f]{64}$'),
    version integer not null default 1,
    created_at timestamptz not null,
    created_by bigint not null references person,
    deleted_at timestamptz,
    deleted_by bigint references person,
    delete_reason text,
    constraint resource_is_what_it_says check ((kind = 'link') = (url is not null) and (kind = 'file') = (file_name is not null)),
    constraint resource_levels_need_a_subject check ((rank_from is null) = (rank_to is null) and (rank_from is null or subject is not null) and rank_from <= rank_to)
);
create index resource_by_subject on resource (subject, rank_from, id) where deleted_at is null;
create index resource_by_file on resource (sha256) where sha256 is not null;

-- How often a resource was opened: one row a resource and day, kept for 400 days.
create table resource_view (
    resource_id bigint not null references resource on delete cascade,
    on_day date not null,
    views integer not null constraint resource_view_is_counted check (views > 0),
    primary key (resource_id, on_day)
);

create type presence as enum ('present', 'late', 'absent');

-- A session that was held: one a group and day. id is the id of the write that made it, write_id that of its last change. The counts are those
-- of its attendance, written with it; expected are the children of the group at the time.
create table teaching_session (
    id uuid primary key,
    write_id uuid not null,
    group_id bigint not null references teaching_group,
    school_id bigint not null references school,
    subject subject not null,
    held_on date not null,
    minutes smallint not null constraint teaching_session_minutes_are_possible check (minutes between 5 and 240),
    activity text not null default '' constraint teaching_session_activity_is_short check (length(activity) <= 200),
    resource_id bigint references resource,
    expected smallint not null default 0,
    present smallint not null default 0,
    late smallint not null default 0,
    absent smallint not null default 0,
    version integer not null default 1,
    created_at timestamptz not null,
    created_by bigint not null references person,
    changed_at timestamptz not null,
    constraint teaching_session_is_one_a_day unique (group_id, held_on),
    constraint teaching_session_counts_no_more_than_expected check (present + late + absent <= expected)
);
create index teaching_session_by_school on teaching_session (school_id, subject, held_on);
create index teaching_session_by_resource on teaching_session (resource_id) where resource_id is not null;

create table attendance (
    session_id uuid not null references teaching_session on delete cascade,
    student_id uuid not null references student,
    presence presence not null,
    primary key (session_id, student_id)
);
create index attendance_by_student on attendance (student_id);

-- Programmes that children are enrolled in: at most 500 in use.
create table intervention (
    id bigint generated always as identity primary key,
    name text not null constraint intervention_name_is_short check (length(name) between 1 and 200),
    words text not null default '' constraint intervention_words_are_short check (length(words) <= 2000),
    subject subject,
    starts_on date not null,
    ends_on date,
    version integer not null default 1,
    created_at timestamptz not null,
    created_by bigint not null references person,
    deleted_at timestamptz,
    deleted_by bigint references person,
    delete_reason text,
    constraint intervention_ends_after_start check (ends_on >= starts_on)
);
create index intervention_by_start on intervention (starts_on desc, id desc) where deleted_at is null;

-- A child in an intervention; id is the id of the write. Once at a time.
create table intervention_enrolment (
    id uuid primary key,
    intervention_id bigint not null references intervention,
    student_id uuid not null references student,
    school_id bigint not null references school,
    from_on date not null,
    to_on date,
    outcome text constraint intervention_outcome_is_known check (outcome in ('completed', 'improved', 'stopped', 'moved')),
    words text not null default '' constraint intervention_enrolment_words_are_short check (length(words) <= 500),
    version integer not null default 1,
    created_at timestamptz not null,
    created_by bigint not null references person,
    constraint intervention_enrolment_ends_after_start check (to_on >= from_on),
    constraint intervention_enrolment_ends_with_an_outcome check ((to_on is null) = (outcome is null))
);
create unique index intervention_enrolment_once_at_a_time on intervention_enrolment (intervention_id, student_id) where to_on is null;
create index intervention_enrolment_by_student on intervention_enrolment (student_id, from_on desc, id desc);
create index intervention_enrolment_by_school on intervention_enrolment (school_id, intervention_id, id);

-- Every later change of an enrolment.
create table intervention_change (
    id bigint generated always as identity primary key,
    enrolment_id uuid not null references intervention_enrolment on delete cascade,
    version integer not null,
    at timestamptz not null,
    person_id bigint not null references person,
    before jsonb not null,
    after jsonb not null
);
create index intervention_change_by_enrolment on intervention_change (enrolment_id, id);
