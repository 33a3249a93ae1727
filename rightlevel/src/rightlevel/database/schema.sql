-- The whole schema of RightLevel, as the migrations leave it (a test proves that they do).
-- Days end in _on, instants in _at (UTC). Soft-deleted rows carry deleted_at and are in no figure and no list.

-- Words of the programme -----------------------------------------------------------------------------------------------

create type role as enum ('admin', 'coordinator', 'mentor', 'teacher', 'viewer');
create type subject as enum ('language', 'math');
create type round_kind as enum ('baseline', 'midline', 'endline');
create type round_state as enum ('planned', 'open', 'closed', 'frozen');
create type outcome as enum ('assessed', 'absent', 'refused', 'left');
create type entry_method as enum ('guided', 'direct', 'grid', 'import', 'device');
create type place_kind as enum ('country', 'province', 'district', 'commune', 'village', 'cluster');
create type student_status as enum ('active', 'left');
create type import_state as enum ('waiting', 'reading', 'saving', 'done', 'faulty', 'failed', 'interrupted');

-- Time-ordered ids (RFC 9562 version 7) on any server; PostgreSQL has its own only from 18 on.
create function new_id() returns uuid language sql volatile parallel safe as $$
    select encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                placing substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
            52, 1), 53, 1), 'hex')::uuid
$$;

-- What the programme's coordinators may set: grades, names. One row a key.
create table setting (
    key text primary key,
    value jsonb not null,
    changed_at timestamptz not null default now()
);

-- People -----------------------------------------------------------------------------------------------------------------

-- A text folded for finding: case, Latin accents and the script of digits don't matter. What programme.students.name_key is for children's names.
create function search_text(words text) returns text language sql immutable strict parallel safe as $$
    select lower(translate(normalize(regexp_replace(normalize(words, NFKD), '[\u0300-\u036f\u200b-\u200d\u2060]', '', 'g'), NFKC),
        '٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९০১২৩৪৫৬৭৮৯੦੧੨੩੪੫੬੭੮੯૦૧૨૩૪૫૬૭૮૯௦௧௨௩௪௫௬௭௮௯౦౧౨౩౪' ||
        '౫౬౭౮౯೦೧೨೩೪೫೬೭೮೯൦൧൨൩൪൫൬൭൮൯๐๑๒๓๔๕๖๗๘๙໐໑໒໓໔໕໖໗໘໙༠༡༢༣༤༥༦༧༨༩၀၁၂၃၄၅၆၇၈၉០១២៣៤៥៦៧៨៩',
        repeat('0123456789', 15)))
$$;

-- Every three letters in a row of each word of a text, and the last two, so that a part of a word is found through an index. What it costs keeps
-- the planner from working it out for every row.
create function search_grams(words text) returns tsvector language plpgsql immutable strict parallel safe cost 10000 as $$
declare
    grams text[] := '{}';
    word text;
begin
    foreach word in array string_to_array(words, ' ') loop
        for i in 1 .. length(word) - 1 loop
            grams := grams || substr(word, i, 3);
        end loop;
    end loop;
    return array_to_tsvector(grams);
end $$;

create table person (
    id bigint generated always as identity primary key,
    username text not null constraint person_username_is_plain check (username ~ '^[a-z0-9][a-z0-9._@+-]{1,99}$'),
    email text constraint person_email_has_at check (email like '%_@_%'),
    display_name text not null constraint person_display_name_is_short check (length(display_name) between 1 and 200),
    role role not null,
    password_hash text,
    language text not null default 'en',
    is_active boolean not null default true,
    version integer not null default 1,
    created_at timestamptz not null default now(),
    created_by bigint references person,
    deleted_at timestamptz,
    deleted_by bigint references person,
    delete_reason text
);
create unique index person_username_is_unique on person (username) where deleted_at is null;
create unique index person_email_is_unique on person (lower(email)) where deleted_at is null and email is not null;
create index person_by_name on person (lower(display_name), id) where deleted_at is null;
create index person_by_username on person (username);
create index person_by_grams on person using gin (search_grams(search_text(display_name || ' ' || username))) where deleted_at is null;

-- The languages that pages are offered in. Texts of the program lie in its catalogues; those translated here stand before them.
create table language (
    code text primary key constraint language_code_is_short check (code ~ '^[a-z]{2,3}$'),
    is_offered boolean not null default false,
    version integer not null default 1,
    changed_at timestamptz not null default now()
);
insert into language (code, is_offered) values ('en', true), ('km', true);

-- What a text of the program (its English words) is in a language, as somebody wrote it here: one form, or one for each plural.
create table translation (
    language text not null references language,
    text text not null constraint translation_text_is_short check (length(text) between 1 and 2000),
    forms text[] not null constraint translation_has_forms check (cardinality(forms) between 1 and 6),
    version integer not null default 1,
    changed_at timestamptz not null default now(),
    changed_by bigint not null references person,
    primary key (language, text)
);

-- The token itself is never stored: token_hash is SHA-256 of it.
create table person_session (
    token_hash bytea primary key constraint person_session_hash_is_sha256 check (length(token_hash) = 32),
    id uuid not null default new_id() unique,
    person_id bigint not null references person,
    csrf_token text not null,
    created_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    expires_at timestamptz not null,
    address text not null,
    device text not null default '' constraint person_session_device_is_short check (length(device) <= 200)
);
create index person_session_by_person on person_session (person_id, created_at desc);
create index person_session_by_expiry on person_session (expires_at);

-- A form that came when the session had ended, kept for whoever it was made for until they have signed in again. Sealed with a secret
-- that only their browser holds; half an hour, three of a person, swept with the sessions.
create table held_form (
    secret_hash bytea primary key constraint held_form_hash_is_sha256 check (length(secret_hash) = 32),
    person_id bigint not null references person,
    content bytea not null constraint held_form_is_small check (length(content) <= 300000),
    expires_at timestamptz not null
);
create index held_form_by_person on held_form (person_id, expires_at);
create index held_form_by_expiry on held_form (expires_at);

create table api_token (
    id uuid primary key default new_id(),
    person_id bigint not null references person,
    token_hash bytea not null unique constraint api_token_hash_is_sha256 check (length(token_hash) = 32),
    label text not null default '' constraint api_token_label_is_short check (length(label) <= 100),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz
);
create index api_token_by_person on api_token (person_id, created_at desc);
create index api_token_by_expiry on api_token (expires_at);

-- Failed sign-ins, counted apart for accounts and addresses; one row each, updated in place, swept when cold.
create table sign_in_failure (
    kind text not null constraint sign_in_failure_kind_is_known check (kind in ('account', 'address')),
    subject text not null,
    failures integer not null,
    last_failed_at timestamptz not null,
    locked_until timestamptz not null,
    primary key (kind, subject)
);
create index sign_in_failure_by_age on sign_in_failure (last_failed_at);

-- Audit log, by months: rows are added to the month's partition, or to the default one where upkeep made none (database room, 0015). The same
-- denied attempt within a minute is one row that counts (repeat_key); its at is the minute, last_at the last time.
create table audit_entry (
    id bigint generated always as identity,
    at timestamptz not null default now(),
    person_id bigint references person,
    role role,
    action text not null,
    resource text not null,
    resource_id text,
    outcome text not null constraint audit_entry_outcome_is_known check (outcome in ('done', 'denied', 'failed')),
    before jsonb,
    after jsonb,
    reason text,
    address text,
    times integer not null default 1 constraint audit_entry_times_are_counted check (times >= 1),
    last_at timestamptz,
    repeat_key uuid
) partition by range (at);
create index audit_entry_by_time on audit_entry (at desc, id desc);
create index audit_entry_by_person on audit_entry (person_id, id desc);
create index audit_entry_by_resource on audit_entry (resource, resource_id, id desc);
create index audit_entry_by_kind on audit_entry (resource, id desc);
create index audit_entry_denied on audit_entry (id desc) where outcome <> 'done';
create unique index audit_entry_counts_repeats on audit_entry (at, repeat_key) where repeat_key is not null;
create table audit_entry_rest partition of audit_entry (primary key (id)) default;

-- A write's id, made by the client, and what it was answered: the same id again gets the same answer and writes nothing.
create table write_receipt (
    write_id uuid primary key,
    person_id bigint not null references person,
    operation text not null,
    answer jsonb,
    created_at timestamptz not null default now()
);
create index write_receipt_by_age on write_receipt (created_at);

-- Places, schools, years, classes ----------------------------------------------------------------------------------------

create table place (
    id bigint generated always as identity primary key,
    parent_id bigint references place,
    kind place_kind not null,
    code text not null constraint place_code_is_short check (length(code) between 1 and 60),
    name_local text not null constraint place_name_local_is_short check (length(name_local) between 1 and 200),
    name_latin text not null default '' constraint place_name_latin_is_short check (length(name_latin) <= 200),
    -- the country first, this place last: what counts roll up to, and what a scope by place looks in
    lineage bigint[] not null default '{}',
    version integer not null default 1,
    created_at timestamptz not null default now(),
    deleted_at timestamptz,
    deleted_by bigint references person,
    delete_reason text,
    -- a closed place: what hung on it went to the places that follow it (boundary_change_place). Its counts of the past stay.
    closed_at timestamptz,
    closed_by bigint references person,
    close_reason text constraint place_close_reason_is_short check (length(close_reason) between 1 and 200),
    constraint place_only_countries_are_roots check ((parent_id is null) = (kind = 'country')),
    constraint place_closed_says_why check ((closed_at is null) = (close_reason is null))
);
-- A place that follows another may have its code.
create unique index place_code_is_unique_below_its_parent on place (parent_id, code) nulls not distinct where closed_at is null;
create index place_by_parent on place (parent_id, lower(name_local), id);
create index place_by_lineage on place using gin (lineage);

create function keep_lineage() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.parent_id is distinct from old.parent_id then
        raise exception 'a place does not move' using errcode = 'check_violation', constraint = 'place_does_not_move';
    end if;
    if tg_op = 'INSERT' and new.parent_id is not null then
        perform require_open_places(array[new.parent_id]);
    end if;
    new.lineage := coalesce((select lineage from place where id = new.parent_id), '{}') || new.id;
    return new;
end $$;
create trigger place_keeps_lineage before insert or update of parent_id, lineage on place
    for each row execute function keep_lineage();

-- In which zone the programme's days are: the one that was chosen (setting `time_zone`, an IANA name), and the code of the country of the
-- place tree, whose zone it is as long as none was chosen (programme/time_zone/model.py). One row.
create view programme_zone as
    select
        (select s.value #>> '{}' from setting s where s.key = 'time_zone') as chosen,
        (select p.code from place p where p.parent_id is null and p.deleted_at is null order by p.id limit 1) as country;

create table school (
    id bigint generated always as identity primary key,
    place_id bigint not null references place,
    code text not null constraint school_code_is_short check (length(code) between 1 and 100),
    name_local text not null constraint school_name_local_is_short check (length(name_local) between 1 and 200),
    name_latin text not null default '' constraint school_name_latin_is_short check (length(name_latin) <= 200),
    name_key text not null generated always as (lower(name_local || ' ' || name_latin || ' ' || code)) stored,
    ownership text constraint school_ownership_is_known check (ownership in ('government', 'private', 'other')),
    area text constraint school_area_is_known check (area in ('rural', 'urban')),
    latitude double precision constraint school_latitude_is_on_earth check (latitude between -90 and 90),
    longitude double precision constraint school_longitude_is_on_earth check (longitude between -180 and 180),
    status text not null default 'open' constraint school_status_is_known check (status in ('open', 'closed')),
    is_practice boolean not null default false,
    version integer not null default 1,
    created_at timestamptz not null default now(),
    deleted_at timestamptz,
    deleted_by bigint references person,
    delete_reason text,
    -- the school that this one was merged into
    merged_into bigint references school,
    constraint school_position_is_whole check ((latitude is null) = (longitude is null)),
    constraint school_merged_is_closed check (merged_into is null or status = 'closed')
);
create index school_by_merge on school (merged_into) where merged_into is not null;
-- Soft-deleted schools keep their code, so that restoring never collides.
create unique index school_code_is_unique on school (code);
create index school_by_place on school (place_id, lower(name_local), id) where deleted_at is null;
create index school_practice on school (id) where is_practice;
create index school_by_name on school (lower(name_local), id) where deleted_at is null;
create index school_not_open on school (id) where status <> 'open' or deleted_at is not null;
create index school_by_grams on school using gin (search_grams(search_text(name_local || ' ' || name_latin || ' ' || code)))
    where deleted_at is null;

-- In which place a school stood, from when until when; the present one has no end and is school.place_id (triggers on school keep both).
create table school_place (
    school_id bigint not null references school on delete cascade,
    from_at timestamptz not null default '-infinity',
    until_at timestamptz,
    place_id bigint not null references place,
    reason text constraint school_place_reason_is_short check (length(reason) between 1 and 200),
    moved_by bigint references person,
    primary key (school_id, from_at),
    constraint school_place_ends_after_start check (from_at < until_at),
    constraint school_place_is_one_at_a_time
        exclude using gist (int8range(school_id, school_id, '[]') with &&, tstzrange(from_at, until_at) with &&)
);
create unique index school_place_is_one_now on school_place (school_id) where until_at is null;
create index school_place_by_place on school_place (place_id, school_id);
create index school_place_of_moves on school_place (from_at) where from_at > '-infinity';
create index school_place_ended on school_place (until_at) where until_at is not null;

-- Whether somebody stood there at an instant; without one, whether they do now.
create function stood_at(from_at timestamptz, until_at timestamptz, at timestamptz) returns boolean language sql immutable parallel safe as $$
    select case when at is null then until_at is null else from_at <= at and (until_at is null or until_at > at) end
$$;

-- Nothing is hung on a closed place, nor on one that is being closed: whoever closes it waits for this, and this waits for whoever is closing it.
create function require_open_places(wanted bigint[]) returns void language plpgsql as $$
begin
    perform 1 from place p where p.id = any(wanted) order by p.id for share;
    if exists (select 1 from place p where p.id = any(wanted) and p.closed_at is not null) then
        raise exception 'nothing is hung on a closed place' using errcode = 'check_violation', constraint = 'place_is_closed';
    end if;
end $$;

create function keep_first_place() returns trigger language plpgsql as $$
begin
    perform require_open_places(array(select distinct n.place_id from new_rows n));
    insert into school_place (school_id, place_id) select n.id, n.place_id from new_rows n;
    return null;
end $$;
create trigger school_stands_somewhere after insert on school referencing new table as new_rows
    for each statement execute function keep_first_place();

-- Places moved, split and merged: each by places that follow it. What is undone was done backwards; nothing of the past changes by either.
create table boundary_change (
    id uuid primary key,
    kind text not null constraint boundary_change_kind_is_known check (kind in ('move', 'split', 'merge')),
    reason text not null constraint boundary_change_says_why check (length(reason) between 1 and 200),
    schools integer not null,
    made_at timestamptz not null,
    made_by bigint not null references person,
    undone_at timestamptz,
    undone_by bigint references person,
    undo_reason text constraint boundary_change_undo_reason_is_short check (length(undo_reason) between 1 and 200),
    constraint boundary_change_undone_says_who_and_why check (num_nonnulls(undone_at, undone_by, undo_reason) in (0, 3))
);
create index boundary_change_by_time on boundary_change (made_at desc, id desc);

create table boundary_change_place (
    boundary_change_id uuid not null references boundary_change,
    place_id bigint not null references place,
    successor_id bigint not null references place,
    is_new boolean not null,
    primary key (boundary_change_id, place_id, successor_id),
    constraint boundary_change_place_is_followed_by_another check (place_id <> successor_id)
);
create index boundary_change_place_by_place on boundary_change_place (place_id);
create index boundary_change_place_by_successor on boundary_change_place (successor_id);

create table boundary_change_school (
    boundary_change_id uuid not null references boundary_change,
    school_id bigint not null references school,
    from_place_id bigint not null references place,
    to_place_id bigint not null references place,
    primary key (boundary_change_id, school_id)
);
create index boundary_change_school_by_school on boundary_change_school (school_id);

create table school_year (
    id bigint generated always as identity primary key,
    name text not null constraint school_year_name_is_unique unique constraint school_year_name_is_short check (length(name) between 1 and 40),
    starts_on date not null,
    ends_on date not null,
    is_current boolean not null default false,
    version integer not null default 1,
    deleted_at timestamptz,
    deleted_by bigint references person,
    delete_reason text,
    constraint school_year_ends_after_start check (starts_on < ends_on),
    -- Years do not overlap; btree_gist is contrib, and a range alone needs none of it.
    constraint school_years_do_not_overlap exclude using gist (daterange(starts_on, ends_on, '[]') with &&) where (deleted_at is null)
);
create unique index school_year_only_one_is_current on school_year (is_current) where is_current;

create table class (
    id bigint generated always as identity primary key,
    school_id bigint not null references school,
    school_year_id bigint not null references school_year,
    grade smallint not null constraint class_grade_is_possible check (grade between 1 and 12),
    section text not null default '' constraint class_section_is_short check (length(section) <= 20),
    version integer not null default 1,
    deleted_at timestamptz,
    deleted_by bigint references person,
    delete_reason text,
    constraint class_is_unique unique (school_id, school_year_id, grade, section),
    constraint class_in_school_is_unique unique (id, school_id)
);

create table assignment (
    id bigint generated always as identity primary key,
    person_id bigint not null references person,
    school_id bigint not null references school,
    subject subject not null,
    class_id bigint,
    -- a day is the programme's and comes with the statement: the server's own day is another one for hours
    from_on date not null,
    to_on date,
    ended_at timestamptz,
    created_at timestamptz not null default now(),
    created_by bigint references person,
    constraint assignment_ends_after_start check (to_on >= from_on),
    constraint assignment_class_is_of_its_school foreign key (class_id, school_id) references class (id, school_id)
);
-- Nobody holds the same twice on one day; one that ran out by its date is followed by another. A range of one number stands for the number,
-- so that no extension is needed.
alter table assignment add constraint assignment_is_unique_on_each_day exclude using gist (
    int8range(person_id, person_id, '[]') with &&,
    int8range(school_id, school_id, '[]') with &&,
    int4range((subject = 'math')::int, (subject = 'math')::int, '[]') with &&,
    int8range(coalesce(class_id, 0), coalesce(class_id, 0), '[]') with &&,
    daterange(from_on, to_on, '[]') with &&) where (ended_at is null);
create index assignment_by_person on assignment (person_id, school_id);
create index assignment_by_class on assignment (class_id) where class_id is not null and ended_at is null;
create index assignment_by_school on assignment (school_id, subject) where ended_at is null;
create index assignment_ever_by_school on assignment (school_id, subject);

-- Children ---------------------------------------------------------------------------------------------------------------

create table student (
    id uuid primary key default new_id(),
    school_id bigint not null references school,
    school_year_id bigint not null references school_year,
    class_id bigint,
    code text not null constraint student_code_is_short check (length(code) between 1 and 40),
    name text not null constraint student_name_is_short check (length(name) between 1 and 200),
    -- the name folded for finding and ordering (case, marks, digits); made by students.model.name_key
    name_key text not null,
    sex smallint not null constraint student_sex_is_iso_5218 check (sex in (0, 1, 2, 9)),
    grade smallint not null constraint student_grade_is_possible check (grade between 1 and 12),
    birth_on date,
    age smallint constraint student_age_is_possible check (age between 3 and 25),
    guardian_contact text constraint student_guardian_contact_is_short check (length(guardian_contact) <= 200),
    guardian_consent_on date,
    status student_status not null default 'active',
    left_on date,
    left_reason text,
    version integer not null default 1,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    deleted_at timestamptz,
    deleted_by bigint references person,
    delete_reason text,
    constraint student_contact_needs_consent check (guardian_contact is null or guardian_consent_on is not null),
    constraint student_leaving_has_a_day check ((status = 'left') = (left_on is not null)),
    constraint student_class_is_of_its_school foreign key (class_id, school_id) references class (id, school_id)
);
create index student_by_school on student (school_id, name_key, id) where deleted_at is null;
create index student_by_name on student (name_key, id) where deleted_at is null;
create index student_by_code on student (lower(code)) where deleted_at is null;
-- A choice of all children by grade, sex or status goes down one stretch of this for each kind it takes, in the order of names.
create index student_by_kind on student (grade, sex, status, name_key, id) where deleted_at is null;
create index student_by_class on student (class_id) where class_id is not null;
-- A child is found by any part of its name or code.
create index student_by_grams on student using gin (search_grams(name_key || ' ' || lower(code))) with (gin_pending_list_limit = 512)
    where deleted_at is null;

-- Children whose name or code holds these parts of words, through student_by_grams alone: what a planner guesses of a part of a word is often
-- wrong, and reading every child is never right.
create function students_by_grams(grams tsquery, folded text[], plain text[], bound integer) returns setof uuid language sql stable parallel safe
set enable_seqscan = off set enable_indexscan = off set max_parallel_workers_per_gather = 0 as $$
    select st.id
    from student st
    where st.deleted_at is null and search_grams(st.name_key || ' ' || lower(st.code)) @@ grams
        and (st.name_key || ' ' || lower(st.code) like all (folded) or st.name_key || ' ' || lower(st.code) like all (plain))
    limit bound
$$;

-- Where a child was before: written when a child moves, is promoted or leaves; the present stands in student.
create table past_enrolment (
    id bigint generated always as identity primary key,
    student_id uuid not null references student,
    school_id bigint not null references school,
    school_year_id bigint not null references school_year,
    class_id bigint references class,
    grade smallint not null,
    until_on date not null,
    reason text not null
);
create index past_enrolment_by_student on past_enrolment (student_id, id);

-- Schools merged and split: whose children went where in one deed.
create table school_change (
    id uuid primary key,
    kind text not null constraint school_change_kind_is_known check (kind in ('split', 'merge')),
    from_school_id bigint not null references school,
    to_school_id bigint not null references school,
    reason text not null constraint school_change_says_why check (length(reason) between 1 and 200),
    children integer not null,
    moved_on date not null,
    made_at timestamptz not null,
    made_by bigint not null references person,
    undone_at timestamptz,
    undone_by bigint references person,
    undo_reason text constraint school_change_undo_reason_is_short check (length(undo_reason) between 1 and 200),
    constraint school_change_is_of_two check (from_school_id <> to_school_id),
    constraint school_change_undone_says_who_and_why check (num_nonnulls(undone_at, undone_by, undo_reason) in (0, 3))
);
create index school_change_by_from on school_change (from_school_id, made_at desc);
create index school_change_by_to on school_change (to_school_id, made_at desc);

create table school_change_child (
    school_change_id uuid not null references school_change on delete cascade,
    student_id uuid not null references student on delete cascade,
    from_class_id bigint references class,
    to_class_id bigint references class,
    from_code text not null,
    grade smallint not null,
    primary key (school_change_id, student_id)
);
create index school_change_child_by_student on school_change_child (student_id);

-- Rounds, results --------------------------------------------------------------------------------------------------------

create table scale (
    id smallint generated always as identity primary key,
    subject subject not null,
    name text not null,
    version integer not null default 1,
    is_default boolean not null default false,
    -- `key` names one version everywhere and for ever. `codes` are its rungs from the lowest; `climb` is what the guided test asks first and after each
    -- task, what passes it, which rungs figures speak of and which learn together; of the program's own scale code says it. A draft is changed, a
    -- published version never; a retired one is measured by where it is, and chosen for nothing new.
    key uuid not null default new_id(),
    state text not null default 'published' constraint scale_state_is_known check (state in ('draft', 'published', 'retired')),
    codes text[] not null default '{}',
    climb jsonb not null default '{}' constraint scale_climb_is_small check (pg_column_size(climb) <= 16384),
    edited integer not null default 1,
    changed_at timestamptz not null default now(),
    changed_by bigint references person,
    published_at timestamptz,
    constraint scale_version_is_unique unique (subject, name, version),
    constraint scale_key_is_unique unique (key)
);
create unique index scale_only_one_default on scale (subject) where is_default;
alter table scale add constraint scale_one_draft exclude using btree (subject with =, name with =) where (state = 'draft');

create table scale_level (
    scale_id smallint not null references scale,
    rank smallint not null constraint scale_level_rank_is_counted check (rank between 1 and 9),
    code text not null,
    colour text not null constraint scale_level_colour_is_hex check (colour ~ '^#[0-9a-f]{6}$'),
    label jsonb not null constraint scale_level_label_is_small check (pg_column_size(label) <= 4096),
    primary key (scale_id, rank),
    constraint scale_level_code_is_unique unique (scale_id, code)
);

-- Rounds are measured by it: a published version says for ever what it said.
create function keep_scales() returns trigger language plpgsql as $$
begin
    if tg_table_name = 'scale' then
        if old.state <> 'draft' and (tg_op = 'DELETE' or (new.key, new.subject, new.name, new.version, new.codes, new.climb)
                is distinct from (old.key, old.subject, old.name, old.version, old.codes, old.climb)) then
            raise exception 'a published scale does not change' using errcode = 'check_violation', constraint = 'scale_is_kept';
        end if;
    elsif exists (select from scale s where s.id = old.scale_id and s.state <> 'draft') then
        raise exception 'a published scale does not change' using errcode = 'check_violation', constraint = 'scale_is_kept';
    end if;
    return case tg_op when 'DELETE' then old else new end;
end $$;
create trigger scales_are_kept before update or delete on scale for each row execute function keep_scales();
create trigger rungs_are_kept before update or delete on scale_level for each row execute function keep_scales();

create table round (
    id bigint generated always as identity primary key,
    school_year_id bigint not null references school_year,
    kind round_kind not null,
    starts_on date not null,
    ends_on date not null,
    state round_state not null default 'planned',
    version integer not null default 1,
    created_at timestamptz not null default now(),
    deleted_at timestamptz,
    deleted_by bigint references person,
    delete_reason text,
    -- first opened; since when, and as of which number, the round's roll is fixed; since when it is in its state
    opened_at timestamptz,
    roll_at timestamptz,
    roll_number bigint,
    state_at timestamptz not null default now(),
    -- the steps by which a school's results are approved, in their order; none where nobody need approve
    approval_steps text[] not null default '{}'
        constraint round_approval_steps_are_known check (
            approval_steps in ('{}', '{school}', '{district}', '{programme}', '{school,district}', '{school,programme}', '{district,programme}',
                '{school,district,programme}')),
    -- what it is measured by, from planned on; once it was opened it stays
    language_scale uuid not null default '00000000-0000-7000-8000-000000000001' references scale (key),
    math_scale uuid not null default '00000000-0000-7000-8000-000000000002' references scale (key),
    constraint round_ends_after_start check (starts_on <= ends_on),
    constraint round_roll_is_whole check ((roll_at is null) = (roll_number is null))
);
create unique index round_is_unique_in_its_year on round (school_year_id, kind) where deleted_at is null;
alter table round add constraint rounds_do_not_overlap
    exclude using gist (daterange(starts_on, ends_on, '[]') with &&) where (deleted_at is null);

-- What is different for one school in one round: its dates, and whether it is locked.
create table round_school (
    round_id bigint not null references round,
    school_id bigint not null references school,
    starts_on date,
    ends_on date,
    locked_at timestamptz,
    locked_by bigint references person,
    lock_reason text,
    primary key (round_id, school_id),
    constraint round_school_ends_after_start check (starts_on <= ends_on)
);

-- id is the id of the write that made the row, so a repeated write finds its own row.
-- school_id, class_id, grade and sex are the child's at the time: what figures count under.
create table result (
    id uuid primary key,
    student_id uuid not null references student,
    round_id bigint not null references round,
    school_id bigint not null references school,
    class_id bigint,
    assessor_id bigint not null references person,
    tested_on date not null,
    version integer not null default 1,
    subject subject not null,
    outcome outcome not null,
    method entry_method not null,
    rank smallint constraint result_rank_is_counted check (rank between 1 and 9),
    grade smallint not null,
    sex smallint not null,
    tool smallint constraint result_tool_is_1_to_4 check (tool between 1 and 4),
    assent boolean,
    is_selected boolean not null default false,
    is_verified boolean not null default false,
    -- its child was removed: it counts nowhere until the child is restored (a trigger on student keeps this)
    is_hidden boolean not null default false,
    locked_at timestamptz,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    deleted_at timestamptz,
    notes text constraint result_notes_are_short check (length(notes) <= 500),
    locked_by bigint references person,
    lock_reason text constraint result_lock_reason_is_short check (length(lock_reason) <= 200),
    constraint result_level_only_when_assessed check ((outcome = 'assessed') = (rank is not null))
);
create unique index result_is_unique on result (student_id, round_id, subject) where deleted_at is null;
create index result_by_school on result (school_id, round_id, subject) where deleted_at is null;

-- Every later change of a result, by the id of the write that made it; with it one child's history reads on a line.
create table result_change (
    write_id uuid primary key,
    result_id uuid not null references result,
    version integer not null,
    at timestamptz not null default now(),
    person_id bigint not null references person,
    before jsonb not null,
    after jsonb not null,
    reason text
);
create index result_change_by_result on result_change (result_id, version);

-- Figures: kept by the triggers below in the transaction of every write, whichever way it comes ----------------------------

create table school_count (
    round_id bigint not null,
    subject subject not null,
    school_id bigint not null,
    grade smallint not null,
    sex smallint not null,
    absent bigint not null, refused bigint not null, went bigint not null,
    rank_1 bigint not null, rank_2 bigint not null, rank_3 bigint not null, rank_4 bigint not null, rank_5 bigint not null,
    rank_6 bigint not null, rank_7 bigint not null, rank_8 bigint not null, rank_9 bigint not null,
    primary key (school_id, round_id, subject, grade, sex)
) with (fillfactor = 70);

create index school_count_by_round on school_count (round_id, subject, school_id);

-- Each place holds 32 shards of every count, so that writers of different schools seldom wait for one row.
create table place_count (
    round_id bigint not null,
    subject subject not null,
    place_id bigint not null,
    shard smallint not null,
    grade smallint not null,
    sex smallint not null,
    absent bigint not null, refused bigint not null, went bigint not null,
    rank_1 bigint not null, rank_2 bigint not null, rank_3 bigint not null, rank_4 bigint not null, rank_5 bigint not null,
    rank_6 bigint not null, rank_7 bigint not null, rank_8 bigint not null, rank_9 bigint not null,
    primary key (place_id, round_id, subject, grade, sex, shard)
) with (fillfactor = 70);

create table school_enrolled (
    school_year_id bigint not null,
    school_id bigint not null,
    grade smallint not null,
    sex smallint not null,
    children bigint not null,
    primary key (school_id, school_year_id, grade, sex)
) with (fillfactor = 70);

create table place_enrolled (
    school_year_id bigint not null,
    place_id bigint not null,
    shard smallint not null,
    grade smallint not null,
    sex smallint not null,
    children bigint not null,
    primary key (place_id, school_year_id, grade, sex, shard)
) with (fillfactor = 70);

-- How many seats a round and subject have beyond base: for a round whose roll is fixed all of them, else what results change about the
-- enrolled of the year (a child that moved since, or is not enrolled any more, keeps its seat where its result is).
create table school_roll (
    round_id bigint not null,
    subject subject not null,
    school_id bigint not null,
    grade smallint not null,
    sex smallint not null,
    children bigint not null,
    primary key (school_id, round_id, subject, grade, sex)
) with (fillfactor = 70);
create table place_roll (
    round_id bigint not null,
    subject subject not null,
    place_id bigint not null,
    shard smallint not null,
    grade smallint not null,
    sex smallint not null,
    children bigint not null,
    primary key (place_id, round_id, subject, grade, sex, shard)
) with (fillfactor = 70);
-- What figures "as the districts are today" have more or less than those as they were: only of schools that moved after a round's roll was
-- fixed, so that it is small, and what a place had then is read from place_count alone.
create table place_count_moved (
    round_id bigint not null,
    subject subject not null,
    place_id bigint not null,
    shard smallint not null,
    grade smallint not null,
    sex smallint not null,
    absent bigint not null, refused bigint not null, went bigint not null,
    rank_1 bigint not null, rank_2 bigint not null, rank_3 bigint not null, rank_4 bigint not null, rank_5 bigint not null,
    rank_6 bigint not null, rank_7 bigint not null, rank_8 bigint not null, rank_9 bigint not null,
    primary key (place_id, round_id, subject, grade, sex, shard)
) with (fillfactor = 70);

-- The same of seats.
create table place_roll_moved (
    round_id bigint not null,
    subject subject not null,
    place_id bigint not null,
    shard smallint not null,
    grade smallint not null,
    sex smallint not null,
    children bigint not null,
    primary key (place_id, round_id, subject, grade, sex, shard)
) with (fillfactor = 70);

-- A place's counts by the districts of today: what it had, and what schools brought and took since.
create view place_count_today as
    select round_id, subject, place_id, shard, grade, sex, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9
    from place_count
    union all
    select round_id, subject, place_id, shard, grade, sex, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9
    from place_count_moved;
create view place_roll_today as
    select round_id, subject, place_id, shard, grade, sex, children from place_roll
    union all
    select round_id, subject, place_id, shard, grade, sex, children from place_roll_moved;

create type result_delta as (
    round_id bigint, subject subject, school_id bigint, grade smallint, sex smallint,
    absent bigint, refused bigint, went bigint,
    rank_1 bigint, rank_2 bigint, rank_3 bigint, rank_4 bigint, rank_5 bigint, rank_6 bigint, rank_7 bigint, rank_8 bigint, rank_9 bigint
);
create type enrolled_delta as (school_year_id bigint, school_id bigint, grade smallint, sex smallint, children bigint);
-- How many children stand in each year at a school, practice schools too: for lists and their counts, and no figure.
create table school_standing (
    school_id bigint not null,
    school_year_id bigint not null,
    children bigint not null,
    primary key (school_id, school_year_id)
) with (fillfactor = 70);

-- Schools that have children in a round's year and no result in it: kept, so that the few are found without asking all. Of which state a round is, and
-- whether a school is open, is asked when they are read.
create table school_untested (
    round_id bigint not null references round on delete cascade,
    school_id bigint not null references school on delete cascade,
    primary key (round_id, school_id)
);
create index school_untested_by_school on school_untested (school_id);

create view untested_school as
    select rd.id as round_id, e.school_id
    from round rd
    join school_standing e on e.school_year_id = rd.school_year_id and e.children > 0
    join school s on s.id = e.school_id and not s.is_practice
    where rd.deleted_at is null and not exists (
        select from school_count c
        where c.school_id = e.school_id and c.round_id = rd.id
            and c.absent + c.refused + c.went + c.rank_1 + c.rank_2 + c.rank_3 + c.rank_4 + c.rank_5 + c.rank_6 + c.rank_7 + c.rank_8 + c.rank_9 > 0);

-- Of two who change the same school's results in a round the second looks at what the first did.
create function keep_untested(of_round bigint, of_school bigint) returns void language plpgsql as $$
begin
    perform 1
    from school_standing e
    where e.school_id = of_school and e.school_year_id = (select r.school_year_id from round r where r.id = of_round)
    for no key update;
    if exists (select from untested_school u where u.round_id = of_round and u.school_id = of_school) then
        insert into school_untested (round_id, school_id) values (of_round, of_school) on conflict do nothing;
    else
        delete from school_untested u where u.round_id = of_round and u.school_id = of_school;
    end if;
end $$;

-- Only where a count begins or ends: the taps between cost nothing.
create function keep_untested_by_results() returns trigger language plpgsql as $$
begin
    perform keep_untested(coalesce(new.round_id, old.round_id), coalesce(new.school_id, old.school_id));
    return null;
end $$;
create trigger school_count_begins after insert on school_count for each row execute function keep_untested_by_results();
create trigger school_count_turns after update on school_count for each row
    when ((old.absent + old.refused + old.went + old.rank_1 + old.rank_2 + old.rank_3 + old.rank_4 + old.rank_5 + old.rank_6 + old.rank_7 + old.rank_8
            + old.rank_9 > 0)
        <> (new.absent + new.refused + new.went + new.rank_1 + new.rank_2 + new.rank_3 + new.rank_4 + new.rank_5 + new.rank_6 + new.rank_7 + new.rank_8
            + new.rank_9 > 0))
    execute function keep_untested_by_results();

create function keep_untested_by_children() returns trigger language plpgsql as $$
begin
    perform keep_untested(r.id, new.school_id)
    from round r
    where r.school_year_id = new.school_year_id and r.deleted_at is null
    order by r.id;
    return null;
end $$;
create trigger school_standing_begins after insert on school_standing for each row
    when (new.children > 0) execute function keep_untested_by_children();
create trigger school_standing_turns after update on school_standing for each row
    when ((old.children > 0) <> (new.children > 0)) execute function keep_untested_by_children();

-- A round that is made, deleted or brought back. Whoever enters the year's first child at a school meanwhile is waited for.
create function keep_untested_by_round() returns trigger language plpgsql as $$
begin
    perform 1 from school_year y where y.id = new.school_year_id for update;
    delete from school_untested u where u.round_id = new.id;
    insert into school_untested (round_id, school_id)
    select u.round_id, u.school_id
    from untested_school u
    where u.round_id = new.id;
    return null;
end $$;
create trigger round_begins_untested after insert on round for each row execute function keep_untested_by_round();
create trigger round_turns_untested after update of deleted_at, school_year_id on round for each row
    when ((old.deleted_at, old.school_year_id) is distinct from (new.deleted_at, new.school_year_id)) execute function keep_untested_by_round();

-- The open schools among them, of a round that is open.
create function schools_untested(wanted_round bigint) returns table (id bigint) language sql stable parallel safe as $$
    select u.school_id
    from school_untested u
    join round rd on rd.id = u.round_id and rd.state = 'open'
    join school s on s.id = u.school_id and s.deleted_at is null and s.status = 'open' and not s.is_practice
    where u.round_id = wanted_round
$$;

-- How far the same children came: of those assessed in a round at a level, what came of them in a later round, for any two rounds. They count where
-- they sat in the first of the two (school, grade, sex), so that each line is a part of what that round counts at the level: the rest of it has no
-- result in the later round.
create table school_movement (
    round_id bigint not null,
    later_round_id bigint not null,
    school_id bigint not null,
    subject subject not null,
    grade smallint not null,
    sex smallint not null,
    from_rank smallint not null,
    absent integer not null, refused integer not null, went integer not null,
    rank_1 integer not null, rank_2 integer not null, rank_3 integer not null, rank_4 integer not null, rank_5 integer not null,
    rank_6 integer not null, rank_7 integer not null, rank_8 integer not null, rank_9 integer not null,
    primary key (school_id, round_id, later_round_id, subject, grade, sex, from_rank)
) with (fillfactor = 70);

-- The same of places, by where schools stood in the first round; and what today's districts have more or less.
create table place_movement (
    round_id bigint not null,
    later_round_id bigint not null,
    place_id bigint not null,
    subject subject not null,
    grade smallint not null,
    sex smallint not null,
    from_rank smallint not null,
    shard smallint not null,
    absent integer not null, refused integer not null, went integer not null,
    rank_1 integer not null, rank_2 integer not null, rank_3 integer not null, rank_4 integer not null, rank_5 integer not null,
    rank_6 integer not null, rank_7 integer not null, rank_8 integer not null, rank_9 integer not null,
    primary key (place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard)
) with (fillfactor = 70);
create table place_movement_moved (
    round_id bigint not null,
    later_round_id bigint not null,
    place_id bigint not null,
    subject subject not null,
    grade smallint not null,
    sex smallint not null,
    from_rank smallint not null,
    shard smallint not null,
    absent integer not null, refused integer not null, went integer not null,
    rank_1 integer not null, rank_2 integer not null, rank_3 integer not null, rank_4 integer not null, rank_5 integer not null,
    rank_6 integer not null, rank_7 integer not null, rank_8 integer not null, rank_9 integer not null,
    primary key (place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard)
) with (fillfactor = 70);

create type movement_delta as (
    round_id bigint, later_round_id bigint, school_id bigint, subject subject, grade smallint, sex smallint, from_rank smallint,
    absent integer, refused integer, went integer,
    rank_1 integer, rank_2 integer, rank_3 integer, rank_4 integer, rank_5 integer, rank_6 integer, rank_7 integer, rank_8 integer, rank_9 integer
);
-- A result as it counts, that came (sign 1) or went (-1).
create type counted_change as (
    sign smallint, id uuid, student_id uuid, round_id bigint, school_id bigint, subject subject, grade smallint, sex smallint,
    outcome outcome, rank smallint
);

create type roll_delta as (round_id bigint, subject subject, school_id bigint, grade smallint, sex smallint, children bigint);

-- The place under which a school is counted in a round: where it stood when the round's roll was fixed, else where it stands. The one choice.
create function place_for(wanted_school bigint, wanted_round bigint) returns bigint language sql stable parallel safe as $$
    select coalesce(
        (select m.place_id
            from round r
            join school_place m on m.school_id = wanted_school and stood_at(m.from_at, m.until_at, r.roll_at)
            where r.id = wanted_round and r.roll_at is not null),
        (select s.place_id from school s where s.id = wanted_school))
$$;

-- The places that a school's counts of a round go to: from the country down to where it stood.
create function lineage_for(wanted_school bigint, wanted_round bigint) returns bigint[] language sql stable parallel safe as $$
    select p.lineage from place p where p.id = place_for(wanted_school, wanted_round)
$$;

-- The schools that stood in a place, or below it, in a round.
create function schools_in(wanted_place bigint, wanted_round bigint) returns setof bigint language sql stable parallel safe as $$
    select m.school_id
    from place p
    join school_place m on m.place_id = p.id
    where p.lineage @> array[wanted_place]
        and stood_at(m.from_at, m.until_at, (select r.roll_at from round r where r.id = wanted_round))
$$;

-- Holds schools where they stand until the transaction ends: whoever moves one waits for this, and this waits for whoever is moving it. What
-- comes after it sees where they stand. In the order of their ids, so that two who hold many never wait for each other.
create function hold_schools(wanted bigint[]) returns void language plpgsql as $$
begin
    perform 1 from school s where s.id = any(wanted) order by s.id for key share;
end $$;

-- The places that lie on the way to one place and not to another (sign 1), and the other way round (-1).
create function places_between(from_place bigint, to_place bigint) returns table (unit bigint, sign integer) language sql stable parallel safe as $$
    select each.unit, sum(each.sign)::integer
    from (
        select unnest(p.lineage), 1 from place p where p.id = to_place
        union all
        select unnest(p.lineage), -1 from place p where p.id = from_place) each (unit, sign)
    group by each.unit
    having sum(each.sign) <> 0
$$;

-- Rows are taken in one order everywhere, so two writers can wait for each other but never deadlock: of schools in the order of the key, of places
-- shard by shard, and in each by what is counted before where. So who adds many can do it some at a time, and writes each count once.
-- Counts meet where their schools stood by hashing, and a school is looked up in no other way (offset 0): the plan is made for few and serves many.
create function add_place_counts(deltas result_delta[]) returns void language sql set enable_nestloop = off as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
    insert into place_count as c (
        place_id, round_id, subject, grade, sex, shard, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    with stood as materialized (
        select each.school_id, each.round_id, lineage_for(each.school_id, each.round_id) as lineage
        from (select distinct d.school_id, d.round_id from unnest(deltas) d) each
        cross join lateral (select s.place_id from school s where s.id = each.school_id and not s.is_practice offset 0) s)
    select unit, d.round_id, d.subject, d.grade, d.sex, (d.school_id % 32)::smallint, sum(d.absent), sum(d.refused), sum(d.went),
        sum(d.rank_1), sum(d.rank_2), sum(d.rank_3), sum(d.rank_4), sum(d.rank_5), sum(d.rank_6), sum(d.rank_7), sum(d.rank_8), sum(d.rank_9)
    from unnest(deltas) d
    join stood t on t.school_id = d.school_id and t.round_id = d.round_id
    cross join unnest(t.lineage) unit
    group by 1, 2, 3, 4, 5, 6
    order by 6, 2, 3, 4, 5, 1
    on conflict (place_id, round_id, subject, grade, sex, shard) do update set
        absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
        rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
        rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
        rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9;
    insert into place_count_moved as c (
        place_id, round_id, subject, grade, sex, shard, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    with moved as materialized (
        select each.school_id, each.round_id, place_for(each.school_id, each.round_id) as then_id, s.place_id as now_id
        from (select distinct d.school_id, d.round_id from unnest(deltas) d) each
        cross join lateral (select s.place_id from school s where s.id = each.school_id and not s.is_practice offset 0) s)
    select b.unit, d.round_id, d.subject, d.grade, d.sex, (d.school_id % 32)::smallint,
        sum(b.sign * d.absent), sum(b.sign * d.refused), sum(b.sign * d.went),
        sum(b.sign * d.rank_1), sum(b.sign * d.rank_2), sum(b.sign * d.rank_3), sum(b.sign * d.rank_4), sum(b.sign * d.rank_5),
        sum(b.sign * d.rank_6), sum(b.sign * d.rank_7), sum(b.sign * d.rank_8), sum(b.sign * d.rank_9)
    from moved m
    join unnest(deltas) d on d.school_id = m.school_id and d.round_id = m.round_id
    cross join lateral places_between(m.then_id, m.now_id) b
    where m.then_id <> m.now_id
    group by 1, 2, 3, 4, 5, 6
    order by 6, 2, 3, 4, 5, 1
    on conflict (place_id, round_id, subject, grade, sex, shard) do update set
        absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
        rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
        rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
        rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9
$$;

create function add_school_counts(deltas result_delta[]) returns void language sql as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
    insert into school_count as c (
        school_id, round_id, subject, grade, sex, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    select d.school_id, d.round_id, d.subject, d.grade, d.sex, d.absent, d.refused, d.went,
        d.rank_1, d.rank_2, d.rank_3, d.rank_4, d.rank_5, d.rank_6, d.rank_7, d.rank_8, d.rank_9
    from unnest(deltas) d
    join school s on s.id = d.school_id and not s.is_practice
    order by 1, 2, 3, 4, 5
    on conflict (school_id, round_id, subject, grade, sex) do update set
        absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
        rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
        rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
        rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9
$$;

-- What a live result adds under: the one definition that triggers and the reconcile command count by.
create view counted_result as
    select r.round_id, r.subject, r.school_id, r.grade, r.sex,
        count(*) filter (where outcome = 'absent') as absent,
        count(*) filter (where outcome = 'refused') as refused,
        count(*) filter (where outcome = 'left') as went,
        count(*) filter (where rank = 1) as rank_1, count(*) filter (where rank = 2) as rank_2,
        count(*) filter (where rank = 3) as rank_3, count(*) filter (where rank = 4) as rank_4,
        count(*) filter (where rank = 5) as rank_5, count(*) filter (where rank = 6) as rank_6,
        count(*) filter (where rank = 7) as rank_7, count(*) filter (where rank = 8) as rank_8,
        count(*) filter (where rank = 9) as rank_9
    from result r
    join school s on s.id = r.school_id
    where r.deleted_at is null and not r.is_hidden and not s.is_practice
    group by r.round_id, r.subject, r.school_id, r.grade, r.sex;

-- Results: counts as before, and a seat where the result is instead of where its child's stints say. Mostly that is the same, and nothing is
-- written. The rows are looked up child by child and in no other way (offset 0): a plan made for a million rows would read every child for one.
create function keep_result_counts() returns trigger language plpgsql as $$
declare
    deltas result_delta[];
    rolls roll_delta[];
begin
    if tg_op = 'INSERT' then
        deltas := array(
            select row(round_id, subject, school_id, grade, sex,
                count(*) filter (where outcome = 'absent'), count(*) filter (where outcome = 'refused'), count(*) filter (where outcome = 'left'),
                count(*) filter (where rank = 1), count(*) filter (where rank = 2), count(*) filter (where rank = 3),
                count(*) filter (where rank = 4), count(*) filter (where rank = 5), count(*) filter (where rank = 6),
                count(*) filter (where rank = 7), count(*) filter (where rank = 8), count(*) filter (where rank = 9))::result_delta
            from new_rows where deleted_at is null and not is_hidden
            group by round_id, subject, school_id, grade, sex);
        select array_agg(row(d.round_id, d.subject, d.school_id, d.grade, d.sex, d.seats)::roll_delta) into rolls
        from (
            select r.round_id, r.subject, b.school_id, b.grade, b.sex, sum(b.seats) as seats
            from new_rows r
            cross join lateral (
                select x.school_id, x.grade, x.sex, x.seats
                from round rd
                cross join lateral (
                    select e.school_id, e.grade, e.sex, -1 as seats
                    from base_seat e
                    where e.student_id = r.student_id and e.school_year_id = rd.school_year_id and (e.seat_until is null or rd.roll_number < e.seat_until)
                        and (rd.roll_number is null or e.from_number <= rd.roll_number)
                    union all
                    select r.school_id, r.grade, r.sex, 1) x
                where rd.id = r.round_id
                offset 0) b
            where r.deleted_at is null and not r.is_hidden
            group by r.round_id, r.subject, b.school_id, b.grade, b.sex
            having sum(b.seats) <> 0) d;
    elsif tg_op = 'DELETE' then
        deltas := array(
            select row(round_id, subject, school_id, grade, sex,
                -count(*) filter (where outcome = 'absent'), -count(*) filter (where outcome = 'refused'), -count(*) filter (where outcome = 'left'),
                -count(*) filter (where rank = 1), -count(*) filter (where rank = 2), -count(*) filter (where rank = 3),
                -count(*) filter (where rank = 4), -count(*) filter (where rank = 5), -count(*) filter (where rank = 6),
                -count(*) filter (where rank = 7), -count(*) filter (where rank = 8), -count(*) filter (where rank = 9))::result_delta
            from old_rows where deleted_at is null and not is_hidden
            group by round_id, subject, school_id, grade, sex);
        select array_agg(row(d.round_id, d.subject, d.school_id, d.grade, d.sex, -d.seats)::roll_delta) into rolls
        from (
            select r.round_id, r.subject, b.school_id, b.grade, b.sex, sum(b.seats) as seats
            from old_rows r
            cross join lateral (
                select x.school_id, x.grade, x.sex, x.seats
                from round rd
                cross join lateral (
                    select e.school_id, e.grade, e.sex, -1 as seats
                    from base_seat e
                    where e.student_id = r.student_id and e.school_year_id = rd.school_year_id and (e.seat_until is null or rd.roll_number < e.seat_until)
                        and (rd.roll_number is null or e.from_number <= rd.roll_number)
                    union all
                    select r.school_id, r.grade, r.sex, 1) x
                where rd.id = r.round_id
                offset 0) b
            where r.deleted_at is null and not r.is_hidden
            group by r.round_id, r.subject, b.school_id, b.grade, b.sex
            having sum(b.seats) <> 0) d;
    else
        deltas := array(
            select row(round_id, subject, school_id, grade, sex,
                coalesce(sum(sign) filter (where outcome = 'absent'), 0), coalesce(sum(sign) filter (where outcome = 'refused'), 0),
                coalesce(sum(sign) filter (where outcome = 'left'), 0),
                coalesce(sum(sign) filter (where rank = 1), 0), coalesce(sum(sign) filter (where rank = 2), 0), coalesce(sum(sign) filter (where rank = 3), 0),
                coalesce(sum(sign) filter (where rank = 4), 0), coalesce(sum(sign) filter (where rank = 5), 0), coalesce(sum(sign) filter (where rank = 6), 0),
                coalesce(sum(sign) filter (where rank = 7), 0), coalesce(sum(sign) filter (where rank = 8), 0), coalesce(sum(sign) filter (where rank = 9), 0))::result_delta
            from (
                select 1 as sign, round_id, subject, school_id, grade, sex, outcome, rank from new_rows where deleted_at is null and not is_hidden
                union all
                select -1, round_id, subject, school_id, grade, sex, outcome, rank from old_rows where deleted_at is null and not is_hidden) changed
            group by round_id, subject, school_id, grade, sex);
        -- Mostly a level is changed and no seat: the plan for seats is begun only where there is one.
        if exists (
            select 1
            from (
                select 1 as sign, student_id, round_id, subject, school_id, grade, sex from new_rows where deleted_at is null and not is_hidden
                union all
                select -1, student_id, round_id, subject, school_id, grade, sex from old_rows where deleted_at is null and not is_hidden) changed
            group by student_id, round_id, subject, school_id, grade, sex
            having sum(sign) <> 0) then
            with moved as materialized (
                select student_id, round_id, subject, school_id, grade, sex, sum(sign) as seats
                from (
                    select 1 as sign, student_id, round_id, subject, school_id, grade, sex from new_rows where deleted_at is null and not is_hidden
                    union all
                    select -1, student_id, round_id, subject, school_id, grade, sex from old_rows where deleted_at is null and not is_hidden) changed
                group by student_id, round_id, subject, school_id, grade, sex
                having sum(sign) <> 0
            )
            select array_agg(row(d.round_id, d.subject, d.school_id, d.grade, d.sex, d.seats)::roll_delta) into rolls
            from (
                select m.round_id, m.subject, b.school_id, b.grade, b.sex, sum(b.seats * m.seats) as seats
                from moved m
                cross join lateral (
                    select x.school_id, x.grade, x.sex, x.seats
                    from round rd
                    cross join lateral (
                        select e.school_id, e.grade, e.sex, -1 as seats
                        from base_seat e
                        where e.student_id = m.student_id and e.school_year_id = rd.school_year_id and (e.seat_until is null or rd.roll_number < e.seat_until)
                            and (rd.roll_number is null or e.from_number <= rd.roll_number)
                        union all
                        select m.school_id, m.grade, m.sex, 1) x
                    where rd.id = m.round_id
                    offset 0) b
                group by m.round_id, m.subject, b.school_id, b.grade, b.sex
                having sum(b.seats * m.seats) <> 0) d;
        end if;
    end if;
    perform add_counts('{}', '{}', rolls, deltas);
    return null;
end $$;
create trigger result_counts_on_insert after insert on result referencing new table as new_rows
    for each statement execute function keep_result_counts();
create trigger result_counts_on_update after update on result referencing old table as old_rows new table as new_rows
    for each statement execute function keep_result_counts();
create trigger result_counts_on_delete after delete on result referencing old table as old_rows
    for each statement execute function keep_result_counts();

-- What the same children's results of two rounds say: the one definition that triggers and the reconcile command count by.
create view counted_movement as
    select f.round_id, l.round_id as later_round_id, f.school_id, f.subject, f.grade, f.sex, f.rank as from_rank,
        count(*) filter (where l.outcome = 'absent')::integer as absent,
        count(*) filter (where l.outcome = 'refused')::integer as refused,
        count(*) filter (where l.outcome = 'left')::integer as went,
        count(*) filter (where l.rank = 1)::integer as rank_1, count(*) filter (where l.rank = 2)::integer as rank_2,
        count(*) filter (where l.rank = 3)::integer as rank_3, count(*) filter (where l.rank = 4)::integer as rank_4,
        count(*) filter (where l.rank = 5)::integer as rank_5, count(*) filter (where l.rank = 6)::integer as rank_6,
        count(*) filter (where l.rank = 7)::integer as rank_7, count(*) filter (where l.rank = 8)::integer as rank_8,
        count(*) filter (where l.rank = 9)::integer as rank_9
    from result f
    join result l on l.student_id = f.student_id and l.subject = f.subject and l.deleted_at is null and not l.is_hidden
    join round a on a.id = f.round_id
    join round b on b.id = l.round_id and (a.starts_on, a.id) < (b.starts_on, b.id)
    join school s on s.id = f.school_id and not s.is_practice
    join school t on t.id = l.school_id and not t.is_practice
    where f.deleted_at is null and not f.is_hidden and f.rank is not null
    group by f.round_id, l.round_id, f.school_id, f.subject, f.grade, f.sex, f.rank;

-- What changes about movement when results come, go and change: each with the other results of its child and subject, and with those that change in
-- the same statement. The others are looked up child by child and in no other way (offset 0), and what has changed is put together without comparing
-- each with each (no nested loops): the plan is made for few and serves a statement of many.
create function movement_of(changes counted_change[]) returns movement_delta[] language plpgsql stable set enable_nestloop = off as $$
begin
    return array(
        with changed as materialized (
            select c.sign, c.id, c.student_id, c.round_id, c.school_id, c.subject, c.grade, c.sex, c.outcome, c.rank, rd.starts_on
            from unnest(changes) c
            cross join lateral (select from school s where s.id = c.school_id and not s.is_practice offset 0) s
            cross join lateral (select r.starts_on from round r where r.id = c.round_id offset 0) rd
        ), other as materialized (
            select o.student_id, o.subject, e.round_id, e.school_id, e.grade, e.sex, e.outcome, e.rank, rd.starts_on
            from (select distinct c.student_id, c.subject from unnest(changes) c) o
            cross join lateral (
                select r.id, r.round_id, r.school_id, r.grade, r.sex, r.outcome, r.rank
                from result r
                where r.student_id = o.student_id and r.subject = o.subject and r.deleted_at is null and not r.is_hidden
                offset 0) e
            cross join lateral (select from school s where s.id = e.school_id and not s.is_practice offset 0) s
            cross join lateral (select r.starts_on from round r where r.id = e.round_id offset 0) rd
            where not exists (select 1 from unnest(changes) c where c.id = e.id)
        ), pair as (
            select c.sign, c.round_id, o.round_id as later_round_id, c.school_id, c.subject, c.grade, c.sex, c.rank as from_rank,
                o.outcome, o.rank
            from changed c
            join other o on o.student_id = c.student_id and o.subject = c.subject
            where c.rank is not null and (c.starts_on, c.round_id) < (o.starts_on, o.round_id)
            union all
            select c.sign, o.round_id, c.round_id, o.school_id, o.subject, o.grade, o.sex, o.rank, c.outcome, c.rank
            from changed c
            join other o on o.student_id = c.student_id and o.subject = c.subject
            where o.rank is not null and (o.starts_on, o.round_id) < (c.starts_on, c.round_id)
            union all
            select c.sign, c.round_id, d.round_id, c.school_id, c.subject, c.grade, c.sex, c.rank, d.outcome, d.rank
            from changed c
            join changed d on d.sign = c.sign and d.student_id = c.student_id and d.subject = c.subject
            where c.rank is not null and (c.starts_on, c.round_id) < (d.starts_on, d.round_id)
        )
        select row(p.round_id, p.later_round_id, p.school_id, p.subject, p.grade, p.sex, p.from_rank,
            coalesce(sum(p.sign) filter (where p.outcome = 'absent'), 0), coalesce(sum(p.sign) filter (where p.outcome = 'refused'), 0),
            coalesce(sum(p.sign) filter (where p.outcome = 'left'), 0),
            coalesce(sum(p.sign) filter (where p.rank = 1), 0), coalesce(sum(p.sign) filter (where p.rank = 2), 0),
            coalesce(sum(p.sign) filter (where p.rank = 3), 0), coalesce(sum(p.sign) filter (where p.rank = 4), 0),
            coalesce(sum(p.sign) filter (where p.rank = 5), 0), coalesce(sum(p.sign) filter (where p.rank = 6), 0),
            coalesce(sum(p.sign) filter (where p.rank = 7), 0), coalesce(sum(p.sign) filter (where p.rank = 8), 0),
            coalesce(sum(p.sign) filter (where p.rank = 9), 0))::movement_delta
        from pair p
        group by p.round_id, p.later_round_id, p.school_id, p.subject, p.grade, p.sex, p.from_rank);
end $$;

-- The same of many. PostgreSQL keeps one plan for all after it was asked five times, made for few, and with that each of thousands is compared with
-- each; for few, planning anew would cost more than all else.
create function movement_of_many(changes counted_change[]) returns movement_delta[] language plpgsql stable set plan_cache_mode = force_custom_plan as $$
begin
    return movement_of(changes);
end $$;

create function add_school_movement(deltas movement_delta[]) returns void language sql as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
    insert into school_movement as c (
        school_id, round_id, later_round_id, subject, grade, sex, from_rank, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    select d.school_id, d.round_id, d.later_round_id, d.subject, d.grade, d.sex, d.from_rank, d.absent, d.refused, d.went,
        d.rank_1, d.rank_2, d.rank_3, d.rank_4, d.rank_5, d.rank_6, d.rank_7, d.rank_8, d.rank_9
    from unnest(deltas) d
    order by 1, 2, 3, 4, 5, 6, 7
    on conflict (school_id, round_id, later_round_id, subject, grade, sex, from_rank) do update set
        absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
        rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
        rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
        rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9
$$;

create function add_place_movement(deltas movement_delta[]) returns void language sql set enable_nestloop = off as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
    insert into place_movement as c (
        place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    with stood as materialized (
        select each.school_id, each.round_id, lineage_for(each.school_id, each.round_id) as lineage
        from (select distinct d.school_id, d.round_id from unnest(deltas) d) each)
    select unit, d.round_id, d.later_round_id, d.subject, d.grade, d.sex, d.from_rank, (d.school_id % 32)::smallint,
        sum(d.absent), sum(d.refused), sum(d.went),
        sum(d.rank_1), sum(d.rank_2), sum(d.rank_3), sum(d.rank_4), sum(d.rank_5), sum(d.rank_6), sum(d.rank_7), sum(d.rank_8), sum(d.rank_9)
    from unnest(deltas) d
    join stood t on t.school_id = d.school_id and t.round_id = d.round_id
    cross join unnest(t.lineage) unit
    group by 1, 2, 3, 4, 5, 6, 7, 8
    order by 8, 2, 3, 4, 5, 6, 7, 1
    on conflict (place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard) do update set
        absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
        rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
        rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
        rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9;
    insert into place_movement_moved as c (
        place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    with moved as materialized (
        select each.school_id, each.round_id, place_for(each.school_id, each.round_id) as then_id, s.place_id as now_id
        from (select distinct d.school_id, d.round_id from unnest(deltas) d) each
        cross join lateral (select s.place_id from school s where s.id = each.school_id offset 0) s)
    select b.unit, d.round_id, d.later_round_id, d.subject, d.grade, d.sex, d.from_rank, (d.school_id % 32)::smallint,
        sum(b.sign * d.absent), sum(b.sign * d.refused), sum(b.sign * d.went),
        sum(b.sign * d.rank_1), sum(b.sign * d.rank_2), sum(b.sign * d.rank_3), sum(b.sign * d.rank_4), sum(b.sign * d.rank_5),
        sum(b.sign * d.rank_6), sum(b.sign * d.rank_7), sum(b.sign * d.rank_8), sum(b.sign * d.rank_9)
    from moved m
    join unnest(deltas) d on d.school_id = m.school_id and d.round_id = m.round_id
    cross join lateral places_between(m.then_id, m.now_id) b
    where m.then_id <> m.now_id
    group by 1, 2, 3, 4, 5, 6, 7, 8
    order by 8, 2, 3, 4, 5, 6, 7, 1
    on conflict (place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard) do update set
        absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
        rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
        rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
        rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9
$$;

create function add_movement(deltas movement_delta[]) returns void language plpgsql as $$
begin
    perform add_school_movement(deltas);
    perform add_place_movement(deltas);
end $$;

-- Of two who write results of one child in two rounds the second sees what the first did: the child is held, and its results are read after.
create function keep_movement() returns trigger language plpgsql as $$
declare
    changes counted_change[];
    deltas movement_delta[];
begin
    if tg_op = 'INSERT' then
        changes := array(
            select row(1, id, student_id, round_id, school_id, subject, grade, sex, outcome, rank)::counted_change
            from new_rows where deleted_at is null and not is_hidden);
    elsif tg_op = 'DELETE' then
        changes := array(
            select row(-1, id, student_id, round_id, school_id, subject, grade, sex, outcome, rank)::counted_change
            from old_rows where deleted_at is null and not is_hidden);
    else
        -- Whoever locks a result, or verifies it, ends here.
        changes := array(
            select row(sum(sign), id, student_id, round_id, school_id, subject, grade, sex, outcome, rank)::counted_change
            from (
                select 1 as sign, id, student_id, round_id, school_id, subject, grade, sex, outcome, rank
                from new_rows where deleted_at is null and not is_hidden
                union all
                select -1, id, student_id, round_id, school_id, subject, grade, sex, outcome, rank
                from old_rows where deleted_at is null and not is_hidden) changed
            group by id, student_id, round_id, school_id, subject, grade, sex, outcome, rank
            having sum(sign) <> 0);
    end if;
    if cardinality(changes) = 0 then
        return null;
    end if;
    perform 1 from student st where st.id in (select c.student_id from unnest(changes) c) order by st.id for no key update;
    deltas := case when cardinality(changes) > 100 then movement_of_many(changes) else movement_of(changes) end;
    if cardinality(deltas) = 0 then
        return null;
    end if;
    if current_setting('rightlevel.counts_wait', true) = 'on' then
        insert into waiting_count (movement) values (deltas);
    else
        perform add_movement(deltas);
    end if;
    return null;
end $$;
create trigger result_movement_on_insert after insert on result referencing new table as new_rows
    for each statement execute function keep_movement();
create trigger result_movement_on_update after update on result referencing old table as old_rows new table as new_rows
    for each statement execute function keep_movement();
create trigger result_movement_on_delete after delete on result referencing old table as old_rows
    for each statement execute function keep_movement();

-- Every line of movement from the rows, into empty tables. Reads every result once.
create function count_movement() returns void language sql as $$
    insert into school_movement (
        school_id, round_id, later_round_id, subject, grade, sex, from_rank, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    select school_id, round_id, later_round_id, subject, grade, sex, from_rank, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9
    from counted_movement;
    insert into place_movement (
        place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    with stood as materialized (
        select each.school_id, each.round_id, lineage_for(each.school_id, each.round_id) as lineage
        from (select distinct m.school_id, m.round_id from school_movement m) each)
    select unit, m.round_id, m.later_round_id, m.subject, m.grade, m.sex, m.from_rank, (m.school_id % 32)::smallint,
        sum(m.absent), sum(m.refused), sum(m.went),
        sum(m.rank_1), sum(m.rank_2), sum(m.rank_3), sum(m.rank_4), sum(m.rank_5), sum(m.rank_6), sum(m.rank_7), sum(m.rank_8), sum(m.rank_9)
    from school_movement m
    join stood t on t.school_id = m.school_id and t.round_id = m.round_id
    cross join unnest(t.lineage) unit
    group by 1, 2, 3, 4, 5, 6, 7, 8;
    insert into place_movement_moved (
        place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard, absent, refused, went,
        rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
    with moved as materialized (
        select each.school_id, each.round_id, place_for(each.school_id, each.round_id) as then_id, s.place_id as now_id
        from (select distinct m.school_id, m.round_id from school_movement m) each
        join school s on s.id = each.school_id)
    select b.unit, k.round_id, k.later_round_id, k.subject, k.grade, k.sex, k.from_rank, (k.school_id % 32)::smallint,
        sum(b.sign * k.absent), sum(b.sign * k.refused), sum(b.sign * k.went),
        sum(b.sign * k.rank_1), sum(b.sign * k.rank_2), sum(b.sign * k.rank_3), sum(b.sign * k.rank_4), sum(b.sign * k.rank_5),
        sum(b.sign * k.rank_6), sum(b.sign * k.rank_7), sum(b.sign * k.rank_8), sum(b.sign * k.rank_9)
    from moved m
    join school_movement k on k.school_id = m.school_id and k.round_id = m.round_id
    cross join lateral places_between(m.then_id, m.now_id) b
    where m.then_id <> m.now_id
    group by 1, 2, 3, 4, 5, 6, 7, 8
$$;

-- Rounds that children were compared between keep their order: what is kept says which came first.
create function keep_order_of_rounds() returns trigger language plpgsql as $$
begin
    if exists (
        select 1
        from round o
        where o.id <> new.id and ((o.starts_on, o.id) < (old.starts_on, old.id)) <> ((o.starts_on, o.id) < (new.starts_on, new.id))
            and exists (
                select 1
                from place_movement m
                where (m.round_id, m.later_round_id) in ((o.id, new.id), (new.id, o.id)))) then
        raise exception 'rounds whose children were compared keep their order' using errcode = 'check_violation', constraint = 'rounds_keep_their_order';
    end if;
    return null;
end $$;
create trigger round_keeps_its_order after update of starts_on on round for each row
    when (old.starts_on <> new.starts_on) execute function keep_order_of_rounds();

create function hide_results_of_student() returns trigger language plpgsql as $$
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
create trigger student_hides_its_results after update of deleted_at on student for each row
    when ((old.deleted_at is null) <> (new.deleted_at is null)) execute function hide_results_of_student();

create function add_place_enrolled(deltas enrolled_delta[]) returns void language sql as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
    insert into place_enrolled as c (place_id, school_year_id, grade, sex, shard, children)
    select unit, d.school_year_id, d.grade, d.sex, (s.id % 32)::smallint, sum(d.children)
    from unnest(deltas) d
    join school s on s.id = d.school_id and not s.is_practice
    join place p on p.id = s.place_id
    cross join unnest(p.lineage) unit
    where d.children <> 0
    group by 1, 2, 3, 4, 5
    order by 5, 2, 3, 4, 1
    on conflict (place_id, school_year_id, grade, sex, shard) do update set children = c.children + excluded.children
$$;

create function add_school_enrolled(deltas enrolled_delta[]) returns void language sql as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
    insert into school_enrolled as c (school_id, school_year_id, grade, sex, children)
    select d.school_id, d.school_year_id, d.grade, d.sex, d.children
    from unnest(deltas) d
    join school s on s.id = d.school_id and not s.is_practice
    where d.children <> 0
    order by 1, 2, 3, 4
    on conflict (school_id, school_year_id, grade, sex) do update set children = c.children + excluded.children
$$;

create function add_school_roll(deltas roll_delta[]) returns void language sql as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
    insert into school_roll as c (school_id, round_id, subject, grade, sex, children)
    select d.school_id, d.round_id, d.subject, d.grade, d.sex, sum(d.children)
    from unnest(deltas) d
    join school s on s.id = d.school_id and not s.is_practice
    group by 1, 2, 3, 4, 5
    having sum(d.children) <> 0
    order by 1, 2, 3, 4, 5
    on conflict (school_id, round_id, subject, grade, sex) do update set children = c.children + excluded.children
$$;

create function add_school_standing(deltas enrolled_delta[]) returns void language sql as $$
    insert into school_standing as c (school_id, school_year_id, children)
    select d.school_id, d.school_year_id, sum(d.children)
    from unnest(deltas) d
    group by 1, 2
    having sum(d.children) <> 0
    order by 1, 2
    on conflict (school_id, school_year_id) do update set children = c.children + excluded.children
$$;

create function add_place_roll(deltas roll_delta[]) returns void language sql set enable_nestloop = off as $$
    select hold_schools(array(select distinct d.school_id from unnest(deltas) d));
    insert into place_roll as c (place_id, round_id, subject, grade, sex, shard, children)
    with stood as materialized (
        select each.school_id, each.round_id, lineage_for(each.school_id, each.round_id) as lineage
        from (select distinct d.school_id, d.round_id from unnest(deltas) d) each
        cross join lateral (select s.place_id from school s where s.id = each.school_id and not s.is_practice offset 0) s)
    select unit, d.round_id, d.subject, d.grade, d.sex, (d.school_id % 32)::smallint, sum(d.children)
    from unnest(deltas) d
    join stood t on t.school_id = d.school_id and t.round_id = d.round_id
    cross join unnest(t.lineage) unit
    group by 1, 2, 3, 4, 5, 6
    having sum(d.children) <> 0
    order by 6, 2, 3, 4, 5, 1
    on conflict (place_id, round_id, subject, grade, sex, shard) do update set children = c.children + excluded.children;
    insert into place_roll_moved as c (place_id, round_id, subject, grade, sex, shard, children)
    with moved as materialized (
        select each.school_id, each.round_id, place_for(each.school_id, each.round_id) as then_id, s.place_id as now_id
        from (select distinct d.school_id, d.round_id from unnest(deltas) d) each
        cross join lateral (select s.place_id from school s where s.id = each.school_id and not s.is_practice offset 0) s)
    select b.unit, d.round_id, d.subject, d.grade, d.sex, (d.school_id % 32)::smallint, sum(b.sign * d.children)
    from moved m
    join unnest(deltas) d on d.school_id = m.school_id and d.round_id = m.round_id
    cross join lateral places_between(m.then_id, m.now_id) b
    where m.then_id <> m.now_id
    group by 1, 2, 3, 4, 5, 6
    having sum(b.sign * d.children) <> 0
    order by 6, 2, 3, 4, 5, 1
    on conflict (place_id, round_id, subject, grade, sex, shard) do update set children = c.children + excluded.children
$$;

-- The programme's day as whoever changes children told it with the transaction (setting `rightlevel.today`); else that of the instant in UTC.
create function told_day(at timestamptz) returns date language sql stable as $$
    select coalesce(nullif(current_setting('rightlevel.today', true), '')::date, (at at time zone 'UTC')::date)
$$;

-- Adds to the counts what one statement changed. A transaction that changes much (an import) has said `rightlevel.counts_wait` and made a table
-- waiting_count: there it waits until `add_waiting_counts`, for a count that was changed is held until the transaction ends, and everybody who
-- enters something at that school would wait for as long.
create function add_counts(enrolled enrolled_delta[], standing enrolled_delta[], rolls roll_delta[], results result_delta[]) returns void
language plpgsql as $$
begin
    if coalesce(cardinality(enrolled), 0) + coalesce(cardinality(standing), 0) + coalesce(cardinality(rolls), 0)
            + coalesce(cardinality(results), 0) = 0 then
        return;
    end if;
    if current_setting('rightlevel.counts_wait', true) = 'on' then
        insert into waiting_count (enrolled, standing, rolls, results) values (enrolled, standing, rolls, results);
        return;
    end if;
    if cardinality(enrolled) > 0 then
        perform add_school_enrolled(enrolled);
        perform add_place_enrolled(enrolled);
    end if;
    if cardinality(standing) > 0 then
        perform add_school_standing(standing);
    end if;
    if cardinality(rolls) > 0 then
        perform add_school_roll(rolls);
        perform add_place_roll(rolls);
    end if;
    if cardinality(results) > 0 then
        perform add_school_counts(results);
        perform add_place_counts(results);
    end if;
end $$;

-- Adds what waited, each count once, and lets nothing wait any more: 2,000 at a time, since all that an import of a country changes would be 40 MB of
-- this connection. All its schools are held first, and a table is done before the next, schools and then places, each in the order that all keep to.
create function add_waiting_counts() returns void language plpgsql as $$
declare
    at_once constant integer := 2000;
    enrolled_of_schools cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select row(d.school_year_id, d.school_id, d.grade, d.sex, sum(d.children))::enrolled_delta as delta,
                row_number() over (order by d.school_id, d.school_year_id, d.grade, d.sex) as place
            from waiting_count w
            cross join unnest(w.enrolled) d
            group by d.school_year_id, d.school_id, d.grade, d.sex
            having sum(d.children) <> 0) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
    enrolled_of_places cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select d as delta, row_number() over (order by d.school_id % 32, d.school_year_id, d.grade, d.sex) as place
            from waiting_count w
            cross join unnest(w.enrolled) d) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
    standing_of_schools cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select d as delta, row_number() over (order by d.school_id, d.school_year_id, d.grade, d.sex) as place
            from waiting_count w
            cross join unnest(w.standing) d) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
    rolls_of_schools cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select d as delta, row_number() over (order by d.school_id, d.round_id, d.subject, d.grade, d.sex) as place
            from waiting_count w
            cross join unnest(w.rolls) d) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
    rolls_of_places cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select d as delta, row_number() over (order by d.school_id % 32, d.round_id, d.subject, d.grade, d.sex) as place
            from waiting_count w
            cross join unnest(w.rolls) d) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
    results_of_schools cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select row(d.round_id, d.subject, d.school_id, d.grade, d.sex, sum(d.absent), sum(d.refused), sum(d.went),
                sum(d.rank_1), sum(d.rank_2), sum(d.rank_3), sum(d.rank_4), sum(d.rank_5), sum(d.rank_6), sum(d.rank_7), sum(d.rank_8),
                sum(d.rank_9))::result_delta as delta,
                row_number() over (order by d.school_id, d.round_id, d.subject, d.grade, d.sex) as place
            from waiting_count w
            cross join unnest(w.results) d
            group by d.round_id, d.subject, d.school_id, d.grade, d.sex) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
    results_of_places cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select d as delta, row_number() over (order by d.school_id % 32, d.round_id, d.subject, d.grade, d.sex) as place
            from waiting_count w
            cross join unnest(w.results) d) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
    movement_of_schools cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select row(d.round_id, d.later_round_id, d.school_id, d.subject, d.grade, d.sex, d.from_rank, sum(d.absent), sum(d.refused), sum(d.went),
                sum(d.rank_1), sum(d.rank_2), sum(d.rank_3), sum(d.rank_4), sum(d.rank_5), sum(d.rank_6), sum(d.rank_7), sum(d.rank_8),
                sum(d.rank_9))::movement_delta as delta,
                row_number() over (order by d.school_id, d.round_id, d.later_round_id, d.subject, d.grade, d.sex, d.from_rank) as place
            from waiting_count w
            cross join unnest(w.movement) d
            group by d.round_id, d.later_round_id, d.school_id, d.subject, d.grade, d.sex, d.from_rank) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
    movement_of_places cursor for
        select array_agg(s.delta order by s.place) as deltas
        from (
            select d as delta, row_number() over (order by d.school_id % 32, d.round_id, d.later_round_id, d.subject, d.grade, d.sex, d.from_rank) as place
            from waiting_count w
            cross join unnest(w.movement) d) s
        group by (s.place - 1) / at_once
        order by (s.place - 1) / at_once;
begin
    perform set_config('rightlevel.counts_wait', '', true);
    perform hold_schools(array(
        select d.school_id from waiting_count w cross join unnest(w.enrolled) d
        union
        select d.school_id from waiting_count w cross join unnest(w.standing) d
        union
        select d.school_id from waiting_count w cross join unnest(w.rolls) d
        union
        select d.school_id from waiting_count w cross join unnest(w.results) d
        union
        select d.school_id from waiting_count w cross join unnest(w.movement) d));
    for each in enrolled_of_schools loop
        perform add_school_enrolled(each.deltas);
    end loop;
    for each in enrolled_of_places loop
        perform add_place_enrolled(each.deltas);
    end loop;
    for each in standing_of_schools loop
        perform add_school_standing(each.deltas);
    end loop;
    for each in rolls_of_schools loop
        perform add_school_roll(each.deltas);
    end loop;
    for each in rolls_of_places loop
        perform add_place_roll(each.deltas);
    end loop;
    for each in results_of_schools loop
        perform add_school_counts(each.deltas);
    end loop;
    for each in results_of_places loop
        perform add_place_counts(each.deltas);
    end loop;
    for each in movement_of_schools loop
        perform add_school_movement(each.deltas);
    end loop;
    for each in movement_of_places loop
        perform add_place_movement(each.deltas);
    end loop;
end $$;

-- What follows from children standing elsewhere: the former stint is written down, enrolled counts and rolls are kept, and a correction goes
-- on into the results of rounds whose roll is not fixed. A fixed roll holds the former stint instead of the present one, so nothing of it changes.
-- Who goes into a later year at the same school, whether by a roll-over or by that year's roster, keeps its seat in the year it leaves.
create function keep_student_counts() returns trigger language plpgsql as $$
declare
    enrolled enrolled_delta[];
    rolls roll_delta[];
    said jsonb;
begin
    if tg_op = 'INSERT' then
        enrolled := array(
            select row(school_year_id, school_id, grade, sex, count(*))::enrolled_delta
            from new_rows where deleted_at is null and status = 'active'
            group by school_year_id, school_id, grade, sex);
    elsif tg_op = 'DELETE' then
        enrolled := array(
            select row(school_year_id, school_id, grade, sex, -count(*))::enrolled_delta
            from old_rows where deleted_at is null and status = 'active'
            group by school_year_id, school_id, grade, sex);
    else
        -- Whoever only renames a child, or gives it a contact, ends here.
        if not exists (
            select 1
            from (
                select 1 as sign, id, school_year_id, school_id, class_id, grade, sex, status, deleted_at, stint_number from new_rows
                union all
                select -1, id, school_year_id, school_id, class_id, grade, sex, status, deleted_at, stint_number from old_rows) changed
            group by id, school_year_id, school_id, class_id, grade, sex, status, deleted_at, stint_number
            having sum(sign) <> 0) then
            return null;
        end if;
        said := nullif(current_setting('rightlevel.stint', true), '')::jsonb;
        if said is not null then
            perform set_config('rightlevel.stint', '', true);
        end if;
        -- Planned each time, by how many rows there are: the plan for one child would take hours for a million.
        execute $move$
            insert into past_enrolment (student_id, school_id, school_year_id, class_id, grade, sex, until_on, reason, words, closes_year,
                roll_over_id, from_number, until_number)
            select o.id, o.school_id, o.school_year_id, o.class_id, o.grade, o.sex,
                coalesce(($1->>'until_on')::date, case when n.status = 'left' then n.left_on end,
                    case when o.school_year_id <> n.school_year_id then least(y.ends_on, told_day(n.changed_at)) end, told_day(n.changed_at)),
                case
                    when $1->>'roll_over_id' is not null then
                        case when n.status = 'left' then 'finished' when n.grade <> o.grade then 'promotion' else 'repeat' end
                    when n.status = 'left' then coalesce($1->>'reason', 'left')
                    when $1 is not null then $1->>'reason'
                    when o.school_id <> n.school_id then 'transfer'
                    when o.school_year_id <> n.school_year_id then
                        case when z.starts_on < y.starts_on then 'change' when n.grade > o.grade then 'promotion' when n.grade = o.grade then 'repeat'
                            else 'change' end
                    else 'correction' end,
                coalesce($1->>'words', ''), $1->>'roll_over_id' is not null or ($1 is null and n.status = 'active' and o.school_id = n.school_id
                    and z.starts_on > y.starts_on), ($1->>'roll_over_id')::uuid, o.stint_number, n.stint_number
            from old_rows o
            join new_rows n on n.id = o.id
            join school_year y on y.id = o.school_year_id
            join school_year z on z.id = n.school_year_id
            where o.status = 'active' and n.stint_number > o.stint_number
        $move$ using said;
        execute $correct$
            update result r
            set class_id = case when c.is_here then c.class_id else r.class_id end, grade = case when c.is_here then c.grade else r.grade end,
                sex = case when r.sex = c.old_sex then c.sex else r.sex end
            from (
                select e.id, n.class_id, n.grade, n.sex, o.sex as old_sex,
                    e.school_id = n.school_id and e.class_id is not distinct from o.class_id and e.grade = o.grade
                        and (o.class_id, o.grade) is distinct from (n.class_id, n.grade) as is_here
                from old_rows o
                join new_rows n on n.id = o.id
                join result e on e.student_id = o.id and e.deleted_at is null
                join round rd on rd.id = e.round_id and rd.school_year_id = n.school_year_id and rd.roll_number is null
                where $1 is null and (o.school_id, o.school_year_id, o.status) = (n.school_id, n.school_year_id, n.status)
                    and (o.class_id, o.grade, o.sex) is distinct from (n.class_id, n.grade, n.sex)) c
            where r.id = c.id and (c.is_here or (r.sex = c.old_sex and c.sex <> c.old_sex))
        $correct$ using said;
        enrolled := array(
            select row(school_year_id, school_id, grade, sex, sum(sign))::enrolled_delta
            from (
                select 1 as sign, school_year_id, school_id, grade, sex from new_rows where deleted_at is null and status = 'active'
                union all
                select -1, school_year_id, school_id, grade, sex from old_rows where deleted_at is null and status = 'active') changed
            group by school_year_id, school_id, grade, sex
            having sum(sign) <> 0);
        with changed as materialized (
            select id, school_year_id, school_id, grade, sex, sum(sign) as seats
            from (
                select 1 as sign, id, school_year_id, school_id, grade, sex from new_rows where status = 'active'
                union all
                select -1, id, school_year_id, school_id, grade, sex from old_rows where status = 'active') stood
            group by id, school_year_id, school_id, grade, sex
            having sum(sign) <> 0
        ), removed as materialized (
            select id, case when bool_or(is_live and is_new) then 1 else -1 end as seats
            from (
                select id, deleted_at is null as is_live, true as is_new from new_rows
                union all
                select id, deleted_at is null, false from old_rows) lived
            group by id
            having bool_or(is_live) <> bool_and(is_live)
        )
        select array_agg(row(d.round_id, d.subject, d.school_id, d.grade, d.sex, d.seats)::roll_delta) into rolls
        from (
            select round_id, subject, school_id, grade, sex, sum(seats) as seats
            from (
                -- A child with a result keeps its seat there: what is added to or taken from the enrolled is taken back.
                select r.round_id, r.subject, c.school_id, c.grade, c.sex, -c.seats as seats
                from changed c
                cross join lateral (
                    select e.round_id, e.subject
                    from result e
                    where e.student_id = c.id and e.deleted_at is null and not e.is_hidden
                    offset 0) r
                join round rd on rd.id = r.round_id and rd.school_year_id = c.school_year_id and rd.roll_number is null
                union all
                select rd.id, sub.subject, st.school_id, st.grade, st.sex, c.seats
                from removed c
                cross join lateral (
                    select s.school_id, s.school_year_id, s.grade, s.sex, s.stint_number
                    from student s
                    where s.id = c.id and s.status = 'active'
                    offset 0) st
                join round rd on rd.school_year_id = st.school_year_id and rd.roll_number >= st.stint_number
                cross join unnest(enum_range(null::subject)) sub (subject)) each
            group by round_id, subject, school_id, grade, sex
            having sum(seats) <> 0) d;
    end if;
    perform add_counts(enrolled, enrolled, rolls, '{}');
    return null;
end $$;
create trigger student_counts_on_insert after insert on student referencing new table as new_rows
    for each statement execute function keep_student_counts();
create trigger student_counts_on_update after update on student referencing old table as old_rows new table as new_rows
    for each statement execute function keep_student_counts();
create trigger student_counts_on_delete after delete on student referencing old table as old_rows
    for each statement execute function keep_student_counts();

-- Adds a school's counts and seats of one round to what lies between two places: `to_then` times to the places as they were,
-- `to_moved` times to what today's districts have more or less.
create function shift_counts(wanted_school bigint, wanted_round bigint, from_place bigint, to_place bigint, to_then integer, to_moved integer)
returns void language plpgsql as $$
begin
    if to_then <> 0 then
        insert into place_count as c (
            place_id, round_id, subject, grade, sex, shard, absent, refused, went,
            rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
        select b.unit, k.round_id, k.subject, k.grade, k.sex, (k.school_id % 32)::smallint, t * k.absent, t * k.refused, t * k.went,
            t * k.rank_1, t * k.rank_2, t * k.rank_3, t * k.rank_4, t * k.rank_5, t * k.rank_6, t * k.rank_7, t * k.rank_8, t * k.rank_9
        from school_count k
        cross join places_between(from_place, to_place) b
        cross join lateral (select b.sign * to_then) as times (t)
        where k.school_id = wanted_school and k.round_id = wanted_round
        order by 6, 2, 3, 4, 5, 1
        on conflict (place_id, round_id, subject, grade, sex, shard) do update set
            absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
            rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
            rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
            rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9;
        insert into place_roll as c (place_id, round_id, subject, grade, sex, shard, children)
        select b.unit, k.round_id, k.subject, k.grade, k.sex, (k.school_id % 32)::smallint, b.sign * to_then * k.children
        from school_roll k
        cross join places_between(from_place, to_place) b
        where k.school_id = wanted_school and k.round_id = wanted_round
        order by 6, 2, 3, 4, 5, 1
        on conflict (place_id, round_id, subject, grade, sex, shard) do update set children = c.children + excluded.children;
        insert into place_movement as c (
            place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard, absent, refused, went,
            rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
        select b.unit, k.round_id, k.later_round_id, k.subject, k.grade, k.sex, k.from_rank, (k.school_id % 32)::smallint,
            t * k.absent, t * k.refused, t * k.went,
            t * k.rank_1, t * k.rank_2, t * k.rank_3, t * k.rank_4, t * k.rank_5, t * k.rank_6, t * k.rank_7, t * k.rank_8, t * k.rank_9
        from school_movement k
        cross join places_between(from_place, to_place) b
        cross join lateral (select b.sign * to_then) as times (t)
        where k.school_id = wanted_school and k.round_id = wanted_round
        order by 8, 2, 3, 4, 5, 6, 7, 1
        on conflict (place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard) do update set
            absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
            rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
            rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
            rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9;
    end if;
    if to_moved <> 0 then
        insert into place_count_moved as c (
            place_id, round_id, subject, grade, sex, shard, absent, refused, went,
            rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
        select b.unit, k.round_id, k.subject, k.grade, k.sex, (k.school_id % 32)::smallint, t * k.absent, t * k.refused, t * k.went,
            t * k.rank_1, t * k.rank_2, t * k.rank_3, t * k.rank_4, t * k.rank_5, t * k.rank_6, t * k.rank_7, t * k.rank_8, t * k.rank_9
        from school_count k
        cross join places_between(from_place, to_place) b
        cross join lateral (select b.sign * to_moved) as times (t)
        where k.school_id = wanted_school and k.round_id = wanted_round
        order by 6, 2, 3, 4, 5, 1
        on conflict (place_id, round_id, subject, grade, sex, shard) do update set
            absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
            rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
            rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
            rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9;
        insert into place_roll_moved as c (place_id, round_id, subject, grade, sex, shard, children)
        select b.unit, k.round_id, k.subject, k.grade, k.sex, (k.school_id % 32)::smallint, b.sign * to_moved * k.children
        from school_roll k
        cross join places_between(from_place, to_place) b
        where k.school_id = wanted_school and k.round_id = wanted_round
        order by 6, 2, 3, 4, 5, 1
        on conflict (place_id, round_id, subject, grade, sex, shard) do update set children = c.children + excluded.children;
        insert into place_movement_moved as c (
            place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard, absent, refused, went,
            rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
        select b.unit, k.round_id, k.later_round_id, k.subject, k.grade, k.sex, k.from_rank, (k.school_id % 32)::smallint,
            t * k.absent, t * k.refused, t * k.went,
            t * k.rank_1, t * k.rank_2, t * k.rank_3, t * k.rank_4, t * k.rank_5, t * k.rank_6, t * k.rank_7, t * k.rank_8, t * k.rank_9
        from school_movement k
        cross join places_between(from_place, to_place) b
        cross join lateral (select b.sign * to_moved) as times (t)
        where k.school_id = wanted_school and k.round_id = wanted_round
        order by 8, 2, 3, 4, 5, 6, 7, 1
        on conflict (place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard) do update set
            absent = c.absent + excluded.absent, refused = c.refused + excluded.refused, went = c.went + excluded.went,
            rank_1 = c.rank_1 + excluded.rank_1, rank_2 = c.rank_2 + excluded.rank_2, rank_3 = c.rank_3 + excluded.rank_3,
            rank_4 = c.rank_4 + excluded.rank_4, rank_5 = c.rank_5 + excluded.rank_5, rank_6 = c.rank_6 + excluded.rank_6,
            rank_7 = c.rank_7 + excluded.rank_7, rank_8 = c.rank_8 + excluded.rank_8, rank_9 = c.rank_9 + excluded.rank_9;
    end if;
end $$;

-- Before schools are moved: no round's roll is fixed or let go meanwhile. Taken before any school, so that nobody waits in a ring.
create function hold_rolls() returns void language plpgsql as $$
begin
    perform 1 from round r order by r.id for share;
end $$;

-- An instant after every roll that was fixed, whatever the clocks of two hosts say.
create function after_rolls(at timestamptz) returns timestamptz language sql stable as $$
    select greatest(at, (select max(r.roll_at) + interval '1 microsecond' from round r))
$$;

-- A school that changes its place, or becomes or stops being a practice school: whoever enters something there waits the moment that it takes,
-- and whoever was entering is waited for. Nobody at another school is held up.
create function hold_changing_school() returns trigger language plpgsql as $$
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
create trigger school_is_held_while_it_changes before update of place_id, is_practice on school for each row
    when (old.place_id <> new.place_id or old.is_practice <> new.is_practice) execute function hold_changing_school();

create function keep_school_place() returns trigger language plpgsql as $$
declare
    moved_at timestamptz;
    each record;
begin
    if old.is_practice <> new.is_practice and not new.is_practice then
        perform add_school_enrolled(array(
            select row(c.school_year_id, c.school_id, c.grade, c.sex, c.children)::enrolled_delta
            from counted_student c where c.school_id = new.id));
        perform add_place_enrolled(array(
            select row(c.school_year_id, c.school_id, c.grade, c.sex, c.children)::enrolled_delta
            from counted_student c where c.school_id = new.id));
        perform add_school_roll(array(
            select row(c.round_id, c.subject, c.school_id, c.grade, c.sex, c.children)::roll_delta
            from counted_roll c where c.school_id = new.id));
        perform add_place_roll(array(
            select row(c.round_id, c.subject, c.school_id, c.grade, c.sex, c.children)::roll_delta
            from counted_roll c where c.school_id = new.id));
    end if;
    if old.place_id = new.place_id then
        return null;
    end if;
    -- After every earlier move too.
    moved_at := greatest(
        after_rolls(coalesce(nullif(current_setting('rightlevel.moving_at', true), '')::timestamptz, clock_timestamp())),
        (select max(m.from_at) + interval '1 microsecond' from school_place m where m.school_id = new.id and m.from_at > '-infinity'));
    for each in select r.id, r.roll_at is null as goes_along from round r order by r.id loop
        perform shift_counts(new.id, each.id, old.place_id, new.place_id,
            case when each.goes_along then 1 else 0 end, case when each.goes_along then 0 else 1 end);
    end loop;
    if not new.is_practice and not old.is_practice then
        insert into place_enrolled as c (place_id, school_year_id, grade, sex, shard, children)
        select b.unit, e.school_year_id, e.grade, e.sex, (e.school_id % 32)::smallint, b.sign * e.children
        from school_enrolled e
        cross join places_between(old.place_id, new.place_id) b
        where e.school_id = new.id
        order by 5, 2, 3, 4, 1
        on conflict (place_id, school_year_id, grade, sex, shard) do update set children = c.children + excluded.children;
    end if;
    update school_place set until_at = moved_at where school_id = new.id and until_at is null;
    insert into school_place (school_id, from_at, place_id, reason, moved_by)
    values (new.id, moved_at, new.place_id, left(nullif(current_setting('rightlevel.moving', true), ''), 200),
        nullif(current_setting('rightlevel.moving_by', true), '')::bigint);
    return null;
end $$;
create trigger school_keeps_its_places after update of place_id, is_practice on school for each row
    when (old.place_id <> new.place_id or old.is_practice <> new.is_practice) execute function keep_school_place();

-- A roll is fixed after every move that was made.
create function fix_roll_after_moves() returns trigger language plpgsql as $$
begin
    new.roll_at := greatest(new.roll_at, (select max(m.from_at) from school_place m where m.from_at > '-infinity'));
    return new;
end $$;
create trigger round_is_fixed_after_moves before update of roll_at on round for each row
    when (new.roll_at is not null and old.roll_at is null) execute function fix_roll_after_moves();

-- What a round counts goes where its schools stood when its roll was fixed; once it is let go, where they stand.
create function follow_roll() returns trigger language plpgsql as $$
declare
    each record;
begin
    for each in
        select s.id, coalesce(o.place_id, s.place_id) as old_place, coalesce(n.place_id, s.place_id) as new_place
        from school s
        left join school_place o on o.school_id = s.id and old.roll_at is not null and stood_at(o.from_at, o.until_at, old.roll_at)
        left join school_place n on n.school_id = s.id and new.roll_at is not null and stood_at(n.from_at, n.until_at, new.roll_at)
        where s.id in (
            select m.school_id from school_place m
            where m.from_at > '-infinity' and m.from_at > least(old.roll_at, new.roll_at))
        order by s.id
    loop
        if each.old_place <> each.new_place then
            perform hold_schools(array[each.id]);
            perform shift_counts(each.id, new.id, each.old_place, each.new_place, 1, -1);
        end if;
    end loop;
    return null;
end $$;
create trigger round_counts_follow_its_roll after update of roll_at on round for each row
    when (old.roll_at is distinct from new.roll_at) execute function follow_roll();

-- Imports ----------------------------------------------------------------------------------------------------------------

-- `owner` is the process that imports (null: the command line), `seen_at` when it last said that it is alive, by the database's clock. `file` is
-- where the file lies on disk, `attempts` how often a process began with it; `applies` is the dry run that was looked at, `preview` how many rows of
-- each kind that one found.
create table import_run (
    id uuid primary key default new_id(),
    kind text not null constraint import_run_kind_is_known
        check (kind in ('places', 'schools', 'classes', 'students', 'results', 'people', 'assignments')),
    filename text not null,
    is_dry_run boolean not null default false,
    state import_state not null default 'waiting',
    person_id bigint references person,
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    bytes_done bigint not null default 0,
    bytes_total bigint not null default 0,
    rows_read bigint not null default 0,
    added bigint not null default 0,
    changed bigint not null default 0,
    unchanged bigint not null default 0,
    faults bigint not null default 0,
    message text,
    left_out bigint not null default 0,
    skipped bigint not null default 0,
    leaves_bad_rows boolean not null default false,
    mapping text not null default '' constraint import_run_mapping_is_bounded check (length(mapping) <= 65536),
    source text not null default '' constraint import_run_source_is_short check (length(source) <= 100),
    owner uuid,
    seen_at timestamptz not null default clock_timestamp(),
    undoes uuid references import_run on delete cascade,
    undone_at timestamptz,
    file uuid,
    attempts smallint not null default 1,
    address text not null default '',
    applies uuid references import_run on delete cascade,
    preview jsonb,
    is_to_stop boolean not null default false
);
create unique index import_run_is_applied_once on import_run (applies) where applies is not null and state in ('waiting', 'reading', 'saving', 'done');
create index import_run_by_applied on import_run (applies) where applies is not null;
create index import_run_by_file on import_run (file) where file is not null;
create unique index import_run_is_undone_once on import_run (undoes) where undoes is not null and state in ('waiting', 'reading', 'saving', 'done');
create index import_run_by_undone on import_run (undoes) where undoes is not null;
create index import_run_under_way on import_run (seen_at) where state in ('waiting', 'reading', 'saving');
create index import_run_by_time on import_run (started_at desc, id);

create table import_fault (
    run_id uuid not null references import_run on delete cascade,
    number bigint not null,
    row_number bigint not null,
    column_name text not null,
    value text not null,
    rule text not null,
    cure text not null default '',
    is_left_out boolean not null default false,
    primary key (run_id, number)
);

-- The rows that an import left out because they are wrong, as the file has them; number 0 holds the headers. They hold names: an erased child's go.
create table import_row (
    run_id uuid not null references import_run on delete cascade,
    number bigint not null,
    row_number bigint not null,
    cells text[] not null,
    primary key (run_id, number)
);

-- What would become of each row of a file, as a dry run found it, in the order of what matters: 1 wrong, 2 perhaps a child who is there, 3 moved,
-- 4 changed, 5 new, 6 unchanged. It holds names: an erased child's go. `run_id` references nothing: a file has a million rows that are written by
-- one statement, which would keep each of them in memory until it ends.
create table import_preview (
    run_id uuid not null,
    what smallint not null constraint import_preview_what_is_known check (what between 1 and 6),
    row_number bigint not null,
    student_id uuid,
    school_code text not null default '',
    code text not null default '',
    name text not null default '',
    before jsonb,
    after jsonb,
    alike_ids uuid[],
    alike_rows bigint[],
    primary key (run_id, what, row_number)
);

-- What an import did, so that it can be undone for thirty days: what it added by id, of what it changed how it was before. It holds names: an erased
-- child's go. An undoing is a run of its own, which says what it undoes.
create table import_added (
    run_id uuid not null references import_run on delete cascade,
    number bigint generated always as identity,
    thing text not null constraint import_added_thing_is_known check (thing in ('student', 'class', 'school', 'place', 'result')),
    student_ids uuid[],
    other_ids bigint[],
    result_ids uuid[],
    primary key (run_id, number),
    constraint import_added_is_of_one_kind check (num_nonnulls(student_ids, other_ids, result_ids) = 1)
);

create table import_changed (
    run_id uuid not null references import_run on delete cascade,
    number bigint generated always as identity,
    student_id uuid,
    school_id bigint,
    version integer not null,
    before jsonb not null,
    result_id uuid,
    -- Places, classes, people and assignments: what each row did, in its order, for it is undone from its end.
    thing text constraint import_changed_thing_is_known check (thing in ('place', 'boundary', 'class', 'person', 'assignment')),
    thing_id bigint,
    is_new boolean not null default false,
    primary key (run_id, number),
    constraint import_changed_is_of_one_thing check (num_nonnulls(student_id, school_id, result_id, thing_id) = 1),
    constraint import_changed_thing_has_its_number check ((thing is null) = (thing_id is null))
);
create index import_changed_by_student on import_changed (student_id) where student_id is not null;
create index import_changed_by_result on import_changed (result_id) where result_id is not null;

-- What was said of the files of one source, for its next file.
create table import_source (
    id bigint generated always as identity primary key,
    kind text not null constraint import_source_kind_is_known
        check (kind in ('places', 'schools', 'classes', 'students', 'results', 'people', 'assignments')),
    name text not null constraint import_source_name_is_short check (length(name) between 1 and 100),
    mapping text not null constraint import_source_mapping_is_bounded check (length(mapping) <= 65536),
    used_at timestamptz not null default now()
);
create unique index import_source_by_name on import_source (kind, lower(name));

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

-- Staying flat -------------------------------------------------------------------------------------------------------------

-- Word to every process of what a commit made stale (flatwater.tables.OUTBOX).
create unlogged table flatwater_outbox (
    id bigint generated always as identity primary key,
    transaction xid8 not null default pg_current_xact_id(),
    payload text not null,
    at timestamptz not null default now()
);
create index flatwater_outbox_by_transaction on flatwater_outbox (transaction);

-- How much of an allowance is used, one row for each identity and rule (flatwater.tables.RATE_LIMIT).
create unlogged table flatwater_rate_limit (
    rule text not null,
    identity text not null,
    arrival_at timestamptz not null,
    primary key (rule, identity)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- When each clean-up last ran: whoever moves the time forward does it, so it is done once however many processes there are.
create table clean_up (
    name text primary key,
    started_at timestamptz not null,
    ended_at timestamptz,
    removed bigint not null default 0,
    batches integer not null default 0,
    longest_batch_s double precision not null default 0
);

-- What this deployment signs with, made at its first start and never shown.
create table signing_key (
    name text primary key,
    value bytea not null constraint signing_key_is_long check (length(value) >= 32)
);

-- What the service levels were, every five minutes for thirty days: at most 8,641 rows, swept by the clean-up.
create table reading_history (
    at timestamptz primary key,
    worst text not null,
    connections integer,
    memory_bytes bigint,
    query_p95_s double precision,
    rate_limit_rows bigint,
    cache_hit_rate double precision
) partition by range (at);
create table reading_history_rest partition of reading_history default;

-- Makes a month's partition ahead of its time: false where there is one, or where its rows lie in the default partition already (and stay there).
-- Nobody waits for it for more than a second: it is tried again.
create function make_month(parent regclass, month date) returns boolean language plpgsql set lock_timeout = '1s' as $$
declare
    starts_at timestamptz := date_trunc('month', month)::timestamp at time zone 'UTC';
    ends_at timestamptz := (date_trunc('month', month) + interval '1 month')::timestamp at time zone 'UTC';
    name text := parent::text || to_char(month, '_YYYY_MM');
    is_taken boolean;
begin
    if to_regclass(quote_ident(name)) is not null or not pg_try_advisory_xact_lock(hashtext('make_month ' || parent::text)) then
        return false;
    end if;
    execute format('select exists (select from %I where at >= $1 and at < $2)', parent::text || '_rest')
        into is_taken using starts_at, ends_at;
    if is_taken then
        return false;
    end if;
    execute format('create table %I (like %I including defaults including constraints including indexes)', name, parent::text || '_rest');
    execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, name, starts_at, ends_at);
    return true;
end $$;

-- Takes away a month's partition that holds exactly the rows that were counted (null for: whatever it holds); false where it holds others.
create function drop_month(parent regclass, month date, counted bigint) returns boolean language plpgsql set lock_timeout = '1s' as $$
declare
    name text := parent::text || to_char(month, '_YYYY_MM');
    found bigint;
begin
    if not exists (select from pg_inherits where inhparent = parent and inhrelid = to_regclass(quote_ident(name))) then
        return false;
    end if;
    if counted is not null then
        execute format('lock table %I in exclusive mode', name);
        execute format('select count(*) from %I', name) into found;
        if found <> counted then
            return false;
        end if;
    end if;
    execute format('drop table %I', name);
    return true;
end $$;
-- Months are made and taken away by the service, which may change no table itself: the owner's functions do it for it, and nothing else.
do $$
begin
    execute format('alter function make_month(regclass, date) security definer set search_path = %I, pg_temp', current_schema());
    execute format('alter function drop_month(regclass, date, bigint) security definer set search_path = %I, pg_temp', current_schema());
end
$$;

-- How each loop of each process fares, told every minute and swept a day after a process has told nothing more: some 25 rows a process.
create table loop_standing (
    host text not null constraint loop_standing_host_is_short check (length(host) <= 200),
    process_id integer not null,
    name text not null constraint loop_standing_name_is_short check (length(name) <= 200),
    began_at timestamptz not null,
    told_at timestamptz not null,
    period_s double precision,
    state text not null,
    turns bigint not null,
    failures bigint not null,
    failures_in_a_row integer not null,
    missed_turns integer not null,
    last_success_at timestamptz,
    last_error text not null,
    primary key (host, process_id, name)
);

-- Each process that serves, told every fifteen seconds; taken back at its end, and forgotten a day after its last word. `has_sign`: whether it left
-- a file of its id where photos and other files lie, by which others see that theirs lie there too. `hears_by`: how it is told of what others change.
create table host_standing (
    id uuid primary key,
    name text not null constraint host_standing_name_is_short check (length(name) between 1 and 200),
    process_id integer not null,
    version text not null constraint host_standing_version_is_short check (length(version) <= 100),
    began_at timestamptz not null,
    told_at timestamptz not null,
    verdict text not null constraint host_standing_verdict_is_short check (length(verdict) <= 20),
    levels jsonb not null constraint host_standing_levels_are_small check (pg_column_size(levels) <= 4096),
    connections integer not null,
    hears_by text not null constraint host_standing_hears_by_something check (hears_by in ('notify', 'outbox')),
    has_sign boolean not null
);

-- Which host does what only one is to do, and until when it may without asking again. A row and no lock of a session: it works behind a pooler.
create table election (
    name text primary key constraint election_name_is_short check (length(name) between 1 and 60),
    host_id uuid not null,
    until_at timestamptz not null
);

-- Verification, locks, frozen rounds ---------------------------------------------------------------------------------------

create type verification_state as enum ('pending', 'agreed', 'disagreed', 'resolved', 'returned', 'withdrawn', 'ended');

-- What a guided test consisted of, by the write that brought it. At most eight steps each.
create table guided_test (
    write_id uuid primary key,
    result_id uuid not null references result on delete cascade,
    steps jsonb not null constraint guided_test_is_small check (pg_column_size(steps) <= 4096)
);
create index guided_test_by_result on guided_test (result_id);

-- Test tools: what a child is shown in the guided test. A version never changes once it is there; a newer one follows it.
create table test_tool (
    id bigint generated always as identity primary key,
    subject subject not null,
    language text not null constraint test_tool_language_is_a_code check (language ~ '^[a-z]{2,3}$'),
    number smallint not null constraint test_tool_number_is_one_to_four check (number between 1 and 4),
    version integer not null constraint test_tool_version_counts_from_one check (version >= 1),
    content jsonb not null constraint test_tool_is_small check (pg_column_size(content) <= 65536),
    published_at timestamptz not null default now(),
    constraint test_tool_is_unique unique (subject, language, number, version)
);
create function keep_test_tools() returns trigger language plpgsql as $$
begin
    raise exception 'a version of a test tool does not change' using errcode = 'check_violation', constraint = 'test_tool_is_kept';
end $$;
create trigger test_tools_are_kept before update or delete on test_tool for each row execute function keep_test_tools();

-- What passes each task of the guided test, in versions that never change: a test is judged by the version that it was run with, also when it
-- comes from a phone weeks later.
create table guided_rules (
    version integer primary key constraint guided_rules_count_from_one check (version >= 1),
    thresholds jsonb not null constraint guided_rules_are_small check (pg_column_size(thresholds) <= 8192),
    made_at timestamptz not null default now(),
    made_by bigint references person
);

-- Which version of the tool was shown, and of the rules it was run by.
alter table guided_test add column tool_id bigint, add column rules_version integer not null default 0;
-- Not valid: rows of before name none, and looking at each would hold up whoever tests.
alter table guided_test add constraint guided_test_tool_id_fkey foreign key (tool_id) references test_tool not valid;

-- Exercises for testers: readings to judge, with the right answers. A version never changes once it is there; a newer one follows it.
create table exercise (
    id bigint generated always as identity primary key,
    subject subject not null,
    language text not null constraint exercise_language_is_a_code check (language ~ '^[a-z]{2,3}$'),
    version integer not null constraint exercise_version_counts_from_one check (version >= 1),
    needed smallint not null constraint exercise_can_be_passed check (needed >= 1 and needed <= jsonb_array_length(cases)),
    cases jsonb not null constraint exercise_is_small check (pg_column_size(cases) <= 65536),
    published_at timestamptz not null default now(),
    constraint exercise_is_unique unique (subject, language, version),
    -- so that a try can name the subject that it counts in
    constraint exercise_id_has_its_subject unique (id, subject)
);
create function keep_exercises() returns trigger language plpgsql as $$
begin
    raise exception 'a version of an exercise does not change' using errcode = 'check_violation', constraint = 'exercise_is_kept';
end $$;
create trigger exercises_are_kept before update or delete on exercise for each row execute function keep_exercises();

-- What somebody answered, once: at most 20 tries of a person at a version (exercises/model.py).
create table exercise_attempt (
    id bigint generated always as identity primary key,
    exercise_id bigint not null,
    subject subject not null,
    person_id bigint not null references person,
    answers text[] not null constraint exercise_attempt_is_short check (cardinality(answers) between 1 and 30),
    agreed smallint not null constraint exercise_attempt_agrees_with_some check (agreed between 0 and cardinality(answers)),
    is_passed boolean not null,
    taken_on date not null,
    taken_at timestamptz not null default now(),
    constraint exercise_attempt_is_of_its_subject foreign key (exercise_id, subject) references exercise (id, subject)
);
create index exercise_attempt_by_person on exercise_attempt (person_id, subject, exercise_id);

-- Results of these subjects are taken only from teachers and mentors who passed an exercise, since a day where one is told. None at first.
create table exercise_requirement (
    subject subject primary key,
    since date
);

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
    -- a re-test that no longer concerns its result: what it was before, since when, and why
    ended_from verification_state,
    ended_at timestamptz,
    ended_why text constraint verification_end_is_known check (ended_why in ('changed', 'not_assessed', 'removed', 'answered', 'frozen')),
    -- where the child is now, which decides who sees and does a re-test; school_id stays the result's
    child_school_id bigint not null references school,
    constraint verification_end_is_whole check (num_nonnulls(ended_from, ended_at, ended_why) in (0, 3)),
    constraint verification_says_that_it_ended check ((state::text = 'ended') = (ended_from is not null)),
    constraint verification_is_by_somebody_else check (verifier_id <> first_assessor_id),
    constraint verification_is_with_another_tool check (tool <> first_tool),
    constraint verification_compares_what_it_says check (
        (state in ('agreed', 'disagreed', 'resolved')) <= (rank is not null and first_rank is not null and verifier_id is not null)),
    constraint verification_agrees_only_on_one_level check ((state = 'agreed') <= (rank = first_rank)),
    constraint verification_settled_says_why check ((state in ('resolved', 'returned', 'withdrawn')) <= (reason is not null))
);
create unique index verification_one_under_way on verification (result_id) where state in ('pending', 'disagreed', 'returned');
create index verification_by_result on verification (result_id);
create index verification_queue on verification (child_school_id, round_id, visible_on, id) where state in ('pending', 'disagreed', 'returned');
create index verification_waiting on verification (round_id, state, id) where state in ('pending', 'disagreed', 'returned');
create index verification_compared on verification (round_id, subject, school_id)
    include (first_rank, rank, first_tool, first_assessor_id, state, ended_from, ended_why, result_id)
    where coalesce(ended_from, state) in ('agreed', 'disagreed', 'resolved');
create index verification_open on verification (round_id, state, school_id) where state in ('pending', 'disagreed', 'returned');
create index verification_returned on verification (id) where state = 'returned';
create index verification_over on verification (round_id, id) where state = 'withdrawn' or ended_from is not null;
create index verification_by_draw on verification (draw_id) where draw_id is not null;

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

-- People: joining, one-time codes, second factor, school sign-in, reach of tokens ------------------------------------------

-- What a session still lacks before it may do anything.
alter table person_session add column pending text not null default ''
    constraint person_session_pending_is_known check (pending in ('', 'second_factor', 'enrol'));

-- What a token may do of what its holder may: reading only, or only some resources of the permission table.
alter table api_token add column may_write boolean not null default true;
alter table api_token add column resources text[] constraint api_token_resources_are_few check (cardinality(resources) between 1 and 40);

alter table sign_in_failure drop constraint sign_in_failure_kind_is_known;
alter table sign_in_failure add constraint sign_in_failure_kind_is_known
    check (kind in ('account', 'address', 'pair', 'factor', 'pin', 'pin_pair', 'device', 'link', 'code', 'password'));

create index sign_in_failure_of_pins on sign_in_failure (split_part(subject, ' ', 2)) where kind = 'pin_pair';

-- What the public page tells of a frozen round: made once, of one moment, of what may be told and nothing else. What is corrected in the round later
-- changes nothing here, so that no two publications differ by a child.
create table publication (
    round_id bigint primary key references round,
    published_at timestamptz not null,
    published_by bigint not null references person,
    is_shown boolean not null
);

-- A place as it stood when the round was published; 0 is everywhere.
create table published_place (
    round_id bigint not null references publication,
    place_id bigint not null,
    parent_id bigint,
    depth smallint not null constraint published_place_is_not_deep check (depth between 0 and 4),
    code text not null,
    name_local text not null,
    name_latin text not null,
    primary key (round_id, place_id)
);
create index published_place_by_parent on published_place (round_id, parent_id, lower(name_local), place_id);

-- The numbers of a place by grade and sex (0: all): null is withheld. No number is of one to nine children, whoever writes it.
create table published_figure (
    round_id bigint not null,
    place_id bigint not null,
    subject subject not null,
    grade smallint not null,
    sex smallint not null,
    enrolled bigint not null constraint published_enrolled_is_not_few check (enrolled = 0 or enrolled >= 10),
    assessed bigint constraint published_assessed_is_not_few check (assessed = 0 or assessed >= 10),
    bands bigint[] constraint published_bands_are_not_few check (not bands && '{1,2,3,4,5,6,7,8,9}'),
    levels bigint[] constraint published_levels_are_not_few check (not levels && '{1,2,3,4,5,6,7,8,9}'),
    primary key (round_id, place_id, subject, grade, sex),
    constraint published_figure_place_is_published foreign key (round_id, place_id) references published_place
);

-- How far an open round had come at the last look on each day, in the whole country: what a forecast of its end goes by.
create table round_day (
    round_id bigint not null references round,
    subject subject not null,
    day date not null,
    with_result bigint not null,
    enrolled bigint not null,
    primary key (round_id, subject, day)
);

-- Schools drawn at random into two ways of working, and with which seed: kept as it was drawn, never drawn again.
create table trial (
    id bigint generated always as identity primary key,
    name text not null constraint trial_name_is_short check (length(name) between 1 and 200),
    way_a text not null constraint trial_way_a_is_short check (length(way_a) between 1 and 100),
    way_b text not null constraint trial_way_b_is_short check (length(way_b) between 1 and 100),
    place_id bigint references place,
    strata_depth smallint not null constraint trial_strata_are_places check (strata_depth between 0 and 4),
    seed bigint not null,
    drawn_at timestamptz not null,
    drawn_by bigint not null references person,
    constraint trial_ways_differ check (lower(way_a) <> lower(way_b))
);

-- Each school of it, its stratum (a place's id, 0: one for all), and which way it works: the first (a) or the second (b).
create table trial_school (
    trial_id bigint not null references trial,
    school_id bigint not null references school,
    stratum_id bigint not null,
    is_b boolean not null,
    primary key (trial_id, school_id)
);
create index trial_school_by_school on trial_school (school_id);

-- On which devices a person signed in: at most 20 a person (accounts/entry). The device's name is signed and says nothing of anybody.
create table known_device (
    person_id bigint not null references person,
    device text not null constraint known_device_name_is_short check (length(device) between 1 and 60),
    last_used_at timestamptz not null,
    primary key (person_id, device)
);

-- Of whom a password comes: the role of whoever gave it or the code it was chosen with; none is the command line. Whoever rises above
-- that role has it ended, for somebody below may still know it.
alter table person add column password_from role;

-- Whether somebody reads digits in their language's own script.
alter table person add column has_own_digits boolean not null default false;

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

-- A code with which somebody chooses a new password: at most one a person, used once. A code of 39 bits that others' wrong guesses use up
-- would lock its owner out; what one address may guess is bounded apart.
create table one_time_code (
    person_id bigint primary key references person,
    code_hash text not null,
    made_at timestamptz not null,
    made_by bigint references person,
    expires_at timestamptz not null,
    attempts_left smallint not null constraint one_time_code_attempts_are_few check (attempts_left between 0 and 1000)
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

-- Phones on which somebody keeps work, to be ended from afar. The id is made on the phone and known to it and us; 20 a person, the one
-- unseen longest goes for the 21st. An ended phone takes its owner's children away at its next connection, and its session is over.
create table person_phone (
    id uuid primary key,
    person_id bigint not null references person,
    label text not null default '' constraint person_phone_label_is_short check (length(label) <= 200),
    session_id uuid,
    kept_at timestamptz not null,
    last_seen_at timestamptz not null,
    ended_at timestamptz
);
create index person_phone_by_person on person_phone (person_id, last_seen_at desc, id desc);

-- Codes by which a device is linked: at most 5 open ones a school, a quarter of an hour each, used once.
create table device_link_code (
    code_hash bytea primary key constraint device_link_code_hash_is_sha256 check (length(code_hash) = 32),
    school_id bigint not null references school,
    made_by bigint not null references person,
    expires_at timestamptz not null
);
create index device_link_code_by_school on device_link_code (school_id);
create index device_link_code_by_expiry on device_link_code (expires_at);

-- Admins need a second factor unless an admin decides otherwise.
insert into setting (key, value) values ('admins_need_second_factor', 'true');

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
    -- by which scale it speaks; null for the program's own
    scale uuid,
    constraint level_check_is_one_a_day unique (student_id, subject, checked_on)
);
alter table level_check add constraint level_check_scale_fkey foreign key (scale) references scale (key) not valid;

-- One division of a school's children in a subject and grade span. Proposals: at most one a school and subject; bands is the split as it was then.
-- replaced_on is the programme's day on which another took its place.
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
    replaced_on date,
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
-- A grouping that is taken away takes its groups along, and they their members: without this each group reads every member there is.
create index group_member_by_group on group_member (group_id);
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
    -- of a draft: until when its mentor works there
    mentor_until date,
    constraint visit_submitted_since check ((state = 'submitted') = (submitted_at is not null)),
    constraint visit_lock_says_who_and_why check (num_nonnulls(locked_at, locked_by, lock_reason) in (0, 3))
);
create index visit_by_day on visit (visited_on desc, id desc) where deleted_at is null;
create index visit_by_subject on visit (subject, visited_on desc, id desc) where deleted_at is null;
create index visit_by_school on visit (school_id, visited_on desc, id desc) where deleted_at is null;
create index visit_by_mentor on visit (mentor_id, visited_on desc, id desc) where deleted_at is null;
create index visit_by_teacher on visit (teacher_id, visited_on desc, id desc) where deleted_at is null and teacher_id is not null;
-- what mentors leave behind: drafts that are open, of which there are few at a time
create index visit_draft on visit (visited_on, id) where state = 'draft' and deleted_at is null;
create index visit_left on visit (mentor_until, visited_on, id) where state = 'draft' and deleted_at is null;
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

-- Follow-up actions to be done after a visit: at most 20 a visit. Deleted visits hide theirs.
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
    -- of one that is still planned: until when its mentor works there
    mentor_until date,
    constraint planned_visit_done_by_a_visit check ((state = 'done') = (visit_id is not null)),
    constraint planned_visit_cancelled_says_why check ((state = 'cancelled') = (cancel_reason is not null))
);
create unique index planned_visit_is_unique on planned_visit (mentor_id, school_id, subject, planned_on) where state = 'planned';
create index planned_visit_by_mentor on planned_visit (mentor_id, planned_on, id);
create index planned_visit_by_school on planned_visit (school_id, planned_on, id);
create index planned_visit_by_day on planned_visit (planned_on, id);
create index planned_visit_open on planned_visit (planned_on, id) where state = 'planned';
create index planned_visit_left on planned_visit (mentor_until, planned_on, id) where state = 'planned';
create index planned_visit_by_visit on planned_visit (visit_id) where visit_id is not null;

-- Of each school, subject and role the assignment in force that lasts longest, from when until when (who is away holds nothing). A school whose longest
-- doesn't take in a day may lack somebody on it; no other school does, so only those few are looked at.
create table school_held (
    school_id bigint not null references school on delete cascade,
    subject subject not null,
    role role not null,
    from_on date not null,
    until_on date not null,
    primary key (school_id, subject, role)
);
create index school_held_until on school_held (subject, role, until_on, school_id);
create index school_held_to_come on school_held (subject, role, from_on, school_id);

create view longest_held as
    select s.id as school_id, u.subject, o.role, coalesce(h.from_on, '-infinity') as from_on, coalesce(h.until_on, '-infinity') as until_on
    from school s
    cross join unnest(enum_range(null::subject)) u (subject)
    cross join unnest(array['mentor', 'teacher']::role[]) o (role)
    left join lateral (
        select a.from_on, coalesce(a.to_on, 'infinity') as until_on
        from assignment a
        join person p on p.id = a.person_id and p.role = o.role and p.is_active and p.deleted_at is null
        where a.school_id = s.id and a.subject = u.subject and a.ended_at is null
        order by coalesce(a.to_on, 'infinity') desc, a.from_on
        limit 1) h on true;

-- Whether somebody of a role holds a school for a subject on a day.
create function is_held(of_school bigint, for_subject subject, by_role role, on_day date) returns boolean language sql stable as $$
    select exists (
        select 1
        from assignment a
        join person p on p.id = a.person_id and p.role = by_role and p.is_active and p.deleted_at is null
        where a.school_id = of_school and a.subject = for_subject and a.ended_at is null and a.from_on <= on_day and coalesce(a.to_on, on_day) >= on_day
        offset 0)
$$;

-- Rows of a school are held first, and read anew after: of two who change the same school's assignments the second counts what the first did.
create function keep_held(wanted bigint[]) returns void language plpgsql as $$
begin
    perform 1 from school_held h where h.school_id = any(wanted) order by h.school_id, h.subject, h.role for no key update;
    insert into school_held as h (school_id, subject, role, from_on, until_on)
    select l.school_id, l.subject, l.role, l.from_on, l.until_on
    from longest_held l
    where l.school_id = any(wanted)
    order by l.school_id, l.subject, l.role
    on conflict (school_id, subject, role) do update set from_on = excluded.from_on, until_on = excluded.until_on
        where (h.from_on, h.until_on) is distinct from (excluded.from_on, excluded.until_on);
end $$;

create function hold_nobody_yet() returns trigger language plpgsql as $$
begin
    perform keep_held(array(select n.id from new_rows n));
    return null;
end $$;
create trigger school_is_held_by_nobody_yet after insert on school referencing new table as new_rows
    for each statement execute function hold_nobody_yet();

-- Until when somebody works at a school for a subject: for ever who leads the programme, a mentor as long as an assignment lasts, nobody else.
create function works_until(of_person bigint, at_school bigint, for_subject subject) returns date language sql stable as $$
    select case
        when p.deleted_at is not null or not p.is_active then '-infinity'
        when p.role in ('admin', 'coordinator') then 'infinity'
        when p.role = 'mentor' then coalesce((
            select max(coalesce(a.to_on, 'infinity'))
            from assignment a
            where a.person_id = p.id and a.school_id = at_school and a.subject = for_subject and a.ended_at is null), '-infinity')
        else '-infinity'
    end
    from person p
    where p.id = of_person
$$;

-- After a change of some people or of their assignments. Whoever begins a draft or plan of theirs meanwhile is waited for, and waits.
create function keep_who_works(people bigint[], schools bigint[]) returns void language plpgsql as $$
begin
    perform 1 from person p where p.id = any(people) order by p.id for no key update;
    perform keep_held(schools);
    update visit v
    set mentor_until = works_until(v.mentor_id, v.school_id, v.subject)
    where v.mentor_id = any(people) and v.state = 'draft' and v.deleted_at is null
        and v.mentor_until is distinct from works_until(v.mentor_id, v.school_id, v.subject);
    update planned_visit v
    set mentor_until = works_until(v.mentor_id, v.school_id, v.subject)
    where v.mentor_id = any(people) and v.state = 'planned'
        and v.mentor_until is distinct from works_until(v.mentor_id, v.school_id, v.subject);
end $$;

create function keep_who_works_after_assigning() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform keep_who_works(array(select distinct n.person_id from new_rows n), array(select distinct n.school_id from new_rows n));
    elsif tg_op = 'DELETE' then
        perform keep_who_works(array(select distinct o.person_id from old_rows o), array(select distinct o.school_id from old_rows o));
    else
        perform keep_who_works(
            array(select o.person_id from old_rows o union select n.person_id from new_rows n),
            array(select o.school_id from old_rows o union select n.school_id from new_rows n));
    end if;
    return null;
end $$;
create trigger assignment_says_who_works_on_insert after insert on assignment referencing new table as new_rows
    for each statement execute function keep_who_works_after_assigning();
create trigger assignment_says_who_works_on_update after update on assignment referencing old table as old_rows new table as new_rows
    for each statement execute function keep_who_works_after_assigning();
create trigger assignment_says_who_works_on_delete after delete on assignment referencing old table as old_rows
    for each statement execute function keep_who_works_after_assigning();

create function keep_who_works_after_change() returns trigger language plpgsql as $$
begin
    perform keep_who_works(array[new.id], array(select distinct a.school_id from assignment a where a.person_id = new.id and a.ended_at is null));
    return null;
end $$;
create trigger person_says_where_they_work after update of role, is_active, deleted_at on person for each row
    when ((old.role, old.is_active, old.deleted_at) is distinct from (new.role, new.is_active, new.deleted_at))
    execute function keep_who_works_after_change();

-- A draft or plan says until when its mentor works there.
create function say_mentor_until() returns trigger language plpgsql as $$
begin
    perform 1 from person p where p.id = new.mentor_id for share;
    new.mentor_until := works_until(new.mentor_id, new.school_id, new.subject);
    return new;
end $$;
create trigger visit_says_mentor_until_on_insert before insert on visit for each row
    when (new.state = 'draft') execute function say_mentor_until();
create trigger visit_says_mentor_until before update of mentor_id, school_id, subject, state, deleted_at on visit for each row
    when (new.state = 'draft' and (old.mentor_id, old.school_id, old.subject, old.state, old.deleted_at)
        is distinct from (new.mentor_id, new.school_id, new.subject, new.state, new.deleted_at)) execute function say_mentor_until();
create trigger planned_visit_says_mentor_until_on_insert before insert on planned_visit for each row
    when (new.state = 'planned') execute function say_mentor_until();
create trigger planned_visit_says_mentor_until before update of mentor_id, school_id, subject, state on planned_visit for each row
    when (new.state = 'planned' and (old.mentor_id, old.school_id, old.subject, old.state)
        is distinct from (new.mentor_id, new.school_id, new.subject, new.state)) execute function say_mentor_until();

-- Submitted visits of a school by month, at each place where it stood on their days; fidelity is a sum, over so many that have one.
create table school_visits (
    school_id bigint not null references school on delete cascade,
    month date not null,
    place_id bigint not null references place,
    visits bigint not null,
    fidelity numeric not null,
    rated bigint not null,
    primary key (school_id, month, place_id)
) with (fillfactor = 70);
-- The same of a place, and how many of its schools were visited: in shards by school, as its other counts.
create table place_visits (
    place_id bigint not null,
    month date not null,
    shard smallint not null,
    visits bigint not null,
    schools bigint not null,
    fidelity numeric not null,
    rated bigint not null,
    primary key (place_id, month, shard)
) with (fillfactor = 70);
-- How many open schools a place has, practice schools aside.
create table place_schools (
    place_id bigint not null,
    shard smallint not null,
    schools bigint not null,
    primary key (place_id, shard)
) with (fillfactor = 70);

-- What schools bring to the places above them by their visits in some months.
create function visits_of_places(of_schools bigint[], of_months date[])
    returns table (place_id bigint, month date, shard smallint, visits bigint, schools bigint, fidelity numeric, rated bigint) language sql stable as $$
    select u.unit, k.month, (k.school_id % 32)::smallint, sum(k.visits)::bigint, count(distinct k.school_id), sum(k.fidelity), sum(k.rated)::bigint
    from (select distinct w.school_id, w.month from unnest(of_schools, of_months) w (school_id, month)) w
    join school_visits k on k.school_id = w.school_id and k.month = w.month
    join place p on p.id = k.place_id
    cross join unnest(p.lineage) u (unit)
    group by 1, 2, 3
$$;

-- Counts the visits of some schools in some months anew, school by school: whoever else sends a visit of the school waits the moment that it takes.
create function keep_visits(of_schools bigint[], of_months date[]) returns void language plpgsql as $$
declare
    was place_visits[];
begin
    perform 1 from school s where s.id = any(of_schools) order by s.id for no key update;
    was := array(select row(v.place_id, v.month, v.shard, v.visits, v.schools, v.fidelity, v.rated)::place_visits from visits_of_places(of_schools, of_months) v);
    delete from school_visits k
    using unnest(of_schools, of_months) w (school_id, month)
    where k.school_id = w.school_id and k.month = w.month;
    insert into school_visits (school_id, month, place_id, visits, fidelity, rated)
    select w.school_id, w.month, m.place_id, count(*), coalesce(sum(v.fidelity), 0), count(v.fidelity)
    from (select distinct w.school_id, w.month from unnest(of_schools, of_months) w (school_id, month)) w
    join school s on s.id = w.school_id and not s.is_practice
    join visit v on v.school_id = w.school_id and v.visited_on >= w.month and v.visited_on < w.month + interval '1 month'
        and v.deleted_at is null and v.state = 'submitted'
    join school_place m on m.school_id = v.school_id and stood_at(m.from_at, m.until_at, (v.visited_on + 1)::timestamp at time zone 'UTC')
    group by w.school_id, w.month, m.place_id;
    insert into place_visits as k (place_id, month, shard, visits, schools, fidelity, rated)
    select d.place_id, d.month, d.shard, sum(d.sign * d.visits)::bigint, sum(d.sign * d.schools)::bigint, sum(d.sign * d.fidelity),
        sum(d.sign * d.rated)::bigint
    from (
        select 1 as sign, n.place_id, n.month, n.shard, n.visits, n.schools, n.fidelity, n.rated from visits_of_places(of_schools, of_months) n
        union all
        select -1, o.place_id, o.month, o.shard, o.visits, o.schools, o.fidelity, o.rated from unnest(was) o) d
    group by d.place_id, d.month, d.shard
    having (sum(d.sign * d.visits), sum(d.sign * d.schools), sum(d.sign * d.fidelity), sum(d.sign * d.rated)) <> (0, 0, 0, 0)
    order by d.place_id, d.month, d.shard
    on conflict (place_id, month, shard) do update set visits = k.visits + excluded.visits, schools = k.schools + excluded.schools,
        fidelity = k.fidelity + excluded.fidelity, rated = k.rated + excluded.rated;
end $$;

create function keep_visits_after_change() returns trigger language plpgsql as $$
declare
    schools bigint[];
    months date[];
begin
    if tg_op = 'INSERT' then
        select array_agg(c.school_id), array_agg(c.month) into schools, months
        from (select distinct n.school_id, date_trunc('month', n.visited_on)::date as month from new_rows n where n.state = 'submitted') c;
    elsif tg_op = 'DELETE' then
        select array_agg(c.school_id), array_agg(c.month) into schools, months
        from (select distinct o.school_id, date_trunc('month', o.visited_on)::date as month from old_rows o where o.state = 'submitted') c;
    else
        select array_agg(c.school_id), array_agg(c.month) into schools, months
        from (
            select distinct e.school_id, date_trunc('month', e.visited_on)::date as month
            from old_rows o
            join new_rows n on n.id = o.id
                and (n.school_id, n.visited_on, n.state, n.fidelity, n.deleted_at) is distinct from (o.school_id, o.visited_on, o.state, o.fidelity, o.deleted_at)
            cross join lateral (values (o.school_id, o.visited_on, o.state), (n.school_id, n.visited_on, n.state)) e (school_id, visited_on, state)
            where e.state = 'submitted') c;
    end if;
    if schools is not null then
        perform keep_visits(schools, months);
    end if;
    return null;
end $$;
create trigger visits_are_counted_on_insert after insert on visit referencing new table as new_rows
    for each statement execute function keep_visits_after_change();
create trigger visits_are_counted_on_update after update on visit referencing old table as old_rows new table as new_rows
    for each statement execute function keep_visits_after_change();
create trigger visits_are_counted_on_delete after delete on visit referencing old table as old_rows
    for each statement execute function keep_visits_after_change();

-- A school that moved: its visits of that day were made where it stands now.
create function keep_visits_after_move() returns trigger language plpgsql as $$
declare
    months date[];
begin
    months := array(
        select distinct date_trunc('month', v.visited_on)::date
        from visit v
        where v.school_id = new.school_id and v.visited_on >= (new.from_at at time zone 'UTC')::date - 1 and v.deleted_at is null and v.state = 'submitted');
    if months <> '{}' then
        perform keep_visits(array_fill(new.school_id, array[cardinality(months)]), months);
    end if;
    return null;
end $$;
create trigger school_place_takes_visits_along after insert on school_place for each row
    when (new.from_at > '-infinity') execute function keep_visits_after_move();

-- Open schools of places: a school counts in each place above it.
create function add_place_schools(schools bigint[], places bigint[], signs integer[]) returns void language sql as $$
    insert into place_schools as k (place_id, shard, schools)
    select u.unit, (d.id % 32)::smallint, sum(d.sign)
    from unnest(schools, places, signs) d (id, place_id, sign)
    join place p on p.id = d.place_id
    cross join unnest(p.lineage) u (unit)
    group by 1, 2
    having sum(d.sign) <> 0
    order by 1, 2
    on conflict (place_id, shard) do update set schools = k.schools + excluded.schools
$$;
create function keep_place_schools() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform add_place_schools(array_agg(n.id), array_agg(n.place_id), array_agg(1))
        from new_rows n where n.status = 'open' and n.deleted_at is null and not n.is_practice
        having count(*) > 0;
    elsif tg_op = 'DELETE' then
        perform add_place_schools(array_agg(o.id), array_agg(o.place_id), array_agg(-1))
        from old_rows o where o.status = 'open' and o.deleted_at is null and not o.is_practice
        having count(*) > 0;
    else
        perform add_place_schools(array_agg(d.id), array_agg(d.place_id), array_agg(d.sign))
        from old_rows o
        join new_rows n on n.id = o.id
            and (n.place_id, n.status, n.deleted_at, n.is_practice) is distinct from (o.place_id, o.status, o.deleted_at, o.is_practice)
        cross join lateral (
            values (n.id, n.place_id, n.status = 'open' and n.deleted_at is null and not n.is_practice, 1),
                (o.id, o.place_id, o.status = 'open' and o.deleted_at is null and not o.is_practice, -1)) d (id, place_id, is_counted, sign)
        where d.is_counted
        having count(*) > 0;
    end if;
    return null;
end $$;
create trigger school_is_counted_on_insert after insert on school referencing new table as new_rows
    for each statement execute function keep_place_schools();
create trigger school_is_counted_on_update after update on school referencing old table as old_rows new table as new_rows
    for each statement execute function keep_place_schools();
create trigger school_is_counted_on_delete after delete on school referencing old table as old_rows
    for each statement execute function keep_place_schools();

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

-- Lives of children: where they were, roll-over, consent, duplicates, erasure ----------------------------------------------------------

alter table student add column guardian_withdrawn_on date;
alter table student add column merged_into uuid references student on delete cascade;
alter table student add column erased_at timestamptz;
alter table student add constraint student_merged_is_deleted check (merged_into is null or deleted_at is not null);
alter table student add constraint student_withdrawn_has_no_contact check (guardian_withdrawn_on is null or guardian_contact is null);
create index student_by_merge on student (merged_into) where merged_into is not null;
create index student_deleted_by_kind on student (grade, sex, status, name_key, id) where deleted_at is not null and merged_into is null;
create index student_deleted_by_code on student (lower(code)) where deleted_at is not null and merged_into is null;

-- Codes stand in one normal form (students.model.code_form) and are compared without case. code_is_shared marks rows from before that: all but the
-- first of those that share a code; the mark goes with the code or the school.
alter table student add column code_is_shared boolean not null default false;
create unique index student_code_is_unique_in_its_school on student (school_id, lower(code)) where deleted_at is null and not code_is_shared;
create index student_sharing_a_code on student (school_id, lower(code)) where code_is_shared and deleted_at is null;

-- Every later change of a child's record, written by a trigger whichever way the change comes: who, when, by which deed and why, and what changed with
-- both values. Of a guardian's contact only whether there is one. It holds names: it is in no audit and erasing the child removes it. The latest
-- thousand changes of a child are kept. settled_as: what somebody said of another name (programme/duplicates/renames.py).
create table student_change (
    id bigint generated always as identity primary key,
    student_id uuid not null references student on delete cascade,
    version integer not null,
    at timestamptz not null default now(),
    person_id bigint references person,
    deed text not null constraint student_change_deed_is_short check (length(deed) between 1 and 40),
    reason text constraint student_change_reason_is_short check (length(reason) <= 500),
    before jsonb not null,
    after jsonb not null,
    settled_as text constraint student_change_settled_is_known check (settled_as in ('same', 'back')),
    settled_at timestamptz,
    settled_by bigint references person,
    constraint student_change_settled_says_who_and_when check (num_nonnulls(settled_as, settled_at, settled_by) in (0, 3))
);
create index student_change_by_student on student_change (student_id, id);
create index student_change_of_name on student_change (at, id) where before ? 'name' and settled_as is null and deed <> 'put_back';

create function keep_student_changes() returns trigger language plpgsql as $$
declare
    said_by bigint := nullif(current_setting('rightlevel.changing_by', true), '')::bigint;
    said_deed text := coalesce(nullif(current_setting('rightlevel.changing_deed', true), ''), 'unknown');
    said_why text := nullif(current_setting('rightlevel.changing_why', true), '');
begin
    insert into student_change (student_id, version, person_id, deed, reason, before, after)
    select c.id, c.version, said_by, said_deed, left(said_why, 500), c.before, c.after
    from (
        select n.id, n.version,
            case when o.name <> n.name then jsonb_build_object('name', o.name) else '{}' end
            || case when o.code <> n.code then jsonb_build_object('code', o.code) else '{}' end
            || case when o.sex <> n.sex then jsonb_build_object('sex', o.sex) else '{}' end
            || case when (o.grade, o.class_id) is distinct from (n.grade, n.class_id)
                then jsonb_build_object('grade', o.grade, 'class_id', o.class_id) else '{}' end
            || case when o.school_id <> n.school_id then jsonb_build_object('school_id', o.school_id) else '{}' end
            || case when o.school_year_id <> n.school_year_id then jsonb_build_object('school_year_id', o.school_year_id) else '{}' end
            || case when o.birth_on is distinct from n.birth_on then jsonb_build_object('birth_on', o.birth_on) else '{}' end
            || case when o.age is distinct from n.age then jsonb_build_object('age', o.age) else '{}' end
            || case when (o.status, o.left_on, o.left_reason) is distinct from (n.status, n.left_on, n.left_reason)
                then jsonb_build_object('status', o.status, 'left_on', o.left_on, 'left_reason', o.left_reason) else '{}' end
            || case when (o.guardian_contact, o.guardian_consent_on, o.guardian_withdrawn_on)
                    is distinct from (n.guardian_contact, n.guardian_consent_on, n.guardian_withdrawn_on)
                then jsonb_build_object('guardian_contact', o.guardian_contact is not null, 'guardian_consent_on', o.guardian_consent_on,
                    'guardian_withdrawn_on', o.guardian_withdrawn_on) else '{}' end
            || case when (o.deleted_at is null, o.merged_into) is distinct from (n.deleted_at is null, n.merged_into)
                then jsonb_build_object('deleted', o.deleted_at is not null, 'merged_into', o.merged_into) else '{}' end as before,
            case when o.name <> n.name then jsonb_build_object('name', n.name) else '{}' end
            || case when o.code <> n.code then jsonb_build_object('code', n.code) else '{}' end
            || case when o.sex <> n.sex then jsonb_build_object('sex', n.sex) else '{}' end
            || case when (o.grade, o.class_id) is distinct from (n.grade, n.class_id)
                then jsonb_build_object('grade', n.grade, 'class_id', n.class_id) else '{}' end
            || case when o.school_id <> n.school_id then jsonb_build_object('school_id', n.school_id) else '{}' end
            || case when o.school_year_id <> n.school_year_id then jsonb_build_object('school_year_id', n.school_year_id) else '{}' end
            || case when o.birth_on is distinct from n.birth_on then jsonb_build_object('birth_on', n.birth_on) else '{}' end
            || case when o.age is distinct from n.age then jsonb_build_object('age', n.age) else '{}' end
            || case when (o.status, o.left_on, o.left_reason) is distinct from (n.status, n.left_on, n.left_reason)
                then jsonb_build_object('status', n.status, 'left_on', n.left_on, 'left_reason', n.left_reason) else '{}' end
            || case when (o.guardian_contact, o.guardian_consent_on, o.guardian_withdrawn_on)
                    is distinct from (n.guardian_contact, n.guardian_consent_on, n.guardian_withdrawn_on)
                then jsonb_build_object('guardian_contact', n.guardian_contact is not null, 'guardian_consent_on', n.guardian_consent_on,
                    'guardian_withdrawn_on', n.guardian_withdrawn_on) else '{}' end
            || case when (o.deleted_at is null, o.merged_into) is distinct from (n.deleted_at is null, n.merged_into)
                then jsonb_build_object('deleted', n.deleted_at is not null, 'merged_into', n.merged_into) else '{}' end as after
        from old_rows o
        join new_rows n on n.id = o.id
        -- Erasing writes nothing of what it erases.
        where n.erased_at is not distinct from o.erased_at) c
    where c.before <> '{}';
    if exists (select 1 from new_rows where version > 1000) then
        delete from student_change c
        using (
            select n.id, (select k.id from student_change k where k.student_id = n.id order by k.id desc offset 1000 limit 1) as last_id
            from new_rows n
            where n.version > 1000) kept
        where c.student_id = kept.id and c.id <= kept.last_id;
    end if;
    return null;
end $$;
create trigger student_changes_on_update after update on student referencing old table as old_rows new table as new_rows
    for each statement execute function keep_student_changes();

-- Where the grade of a class is asked to change: whether anybody was in it.
-- Everything that speaks against a child standing there: the one judge, for single deeds and whole files alike. A school or year that isn't there
-- or is deleted, a closed school, a practice school for a child of a real one or the other way round, a class that isn't of that school, year and
-- grade or is deleted.
create function standing_faults(to_school bigint, to_year bigint, to_class bigint, to_grade integer, from_school bigint) returns text[]
language sql stable as $$
    select array_remove(array[
        case when s.id is null then 'no_school' when s.deleted_at is not null then 'school_deleted' when s.status <> 'open' then 'school_closed' end,
        case when f.is_practice <> s.is_practice then 'across_practice' end,
        case when y.id is null then 'no_year' when y.deleted_at is not null then 'year_deleted' end,
        case when to_class is null then null
            when c.id is null or c.school_id <> to_school then 'class_elsewhere'
            when c.deleted_at is not null then 'class_deleted'
            when c.school_year_id <> to_year then 'class_of_another_year'
            when c.grade <> to_grade then 'class_of_another_grade' end], null)
    from (select 1) one
    left join school s on s.id = to_school
    left join school f on f.id = from_school
    left join school_year y on y.id = to_year
    left join class c on c.id = to_class
$$;

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

-- closes_year: the child stood there when it went on to a later year, with its school or by that year's roster. It counts as enrolled in that year for ever, so that the
-- coverage of a year that is over keeps its denominator. is_hidden: its child was removed (a trigger on student keeps this).
alter table past_enrolment add column words text not null default '' constraint past_enrolment_words_are_short check (length(words) <= 200);
alter table past_enrolment add column sex smallint not null;
alter table past_enrolment add column closes_year boolean not null default false;
alter table past_enrolment add column is_hidden boolean not null default false;
alter table past_enrolment add column roll_over_id uuid references roll_over;
create index past_enrolment_by_roll_over on past_enrolment (roll_over_id, student_id) where roll_over_id is not null;

-- Former stints: what they add to the enrolled of their year, and to rolls. One that was written down as its child went (until_number is above
-- 0) takes over from the present one in every fixed roll, and one that is undone gives back to it: those rolls do not change.
create type past_delta as (
    student_id uuid, school_year_id bigint, school_id bigint, grade smallint, sex smallint, from_number bigint, seat_until bigint,
    counts_in_fixed boolean, is_hidden boolean, seats bigint
);
create function keep_closed_counts() returns trigger language plpgsql as $$
declare
    stood past_delta[];
    enrolled enrolled_delta[];
    rolls roll_delta[];
begin
    if tg_op = 'INSERT' then
        stood := array(
            select row(student_id, school_year_id, school_id, grade, sex, from_number, seat_until, until_number = 0, is_hidden, 1)::past_delta
            from new_rows where not is_aside and (closes_year or until_number = 0));
    elsif tg_op = 'DELETE' then
        stood := array(
            select row(student_id, school_year_id, school_id, grade, sex, from_number, seat_until, until_number = 0, is_hidden, -1)::past_delta
            from old_rows where not is_aside and (closes_year or until_number = 0));
    else
        stood := array(
            select row(student_id, school_year_id, school_id, grade, sex, from_number, seat_until, true, is_hidden, sum(sign))::past_delta
            from (
                select 1 as sign, student_id, school_year_id, school_id, grade, sex, from_number, seat_until, is_hidden from new_rows where not is_aside
                union all
                select -1, student_id, school_year_id, school_id, grade, sex, from_number, seat_until, is_hidden from old_rows where not is_aside) changed
            group by student_id, school_year_id, school_id, grade, sex, from_number, seat_until, is_hidden
            having sum(sign) <> 0);
    end if;
    if cardinality(stood) = 0 then
        return null;
    end if;
    enrolled := array(
        select row(school_year_id, school_id, grade, sex, sum(seats))::enrolled_delta
        from unnest(stood) where seat_until is null and not is_hidden
        group by school_year_id, school_id, grade, sex
        having sum(seats) <> 0);
    select array_agg(row(d.round_id, d.subject, d.school_id, d.grade, d.sex, d.seats)::roll_delta) into rolls
    from (
        select round_id, subject, school_id, grade, sex, sum(seats) as seats
        from (
            select r.round_id, r.subject, p.school_id, p.grade, p.sex, -p.seats as seats
            from unnest(stood) p
            cross join lateral (
                select e.round_id, e.subject
                from result e
                where e.student_id = p.student_id and e.deleted_at is null and not e.is_hidden
                offset 0) r
            join round rd on rd.id = r.round_id and rd.school_year_id = p.school_year_id and (p.seat_until is null or rd.roll_number < p.seat_until)
                and (rd.roll_number is null or (p.counts_in_fixed and p.from_number <= rd.roll_number))
            union all
            select rd.id, sub.subject, p.school_id, p.grade, p.sex, p.seats
            from unnest(stood) p
            join round rd on rd.school_year_id = p.school_year_id and (p.seat_until is null or rd.roll_number < p.seat_until)
                and p.from_number <= rd.roll_number
            cross join unnest(enum_range(null::subject)) sub (subject)
            where p.counts_in_fixed and not p.is_hidden) each
        group by round_id, subject, school_id, grade, sex
        having sum(seats) <> 0) d;
    perform add_counts(enrolled, '{}', rolls, '{}');
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
    update past_enrolment set is_hidden = new.deleted_at is not null where student_id = new.id;
    return null;
end $$;
create trigger student_hides_its_past after update of deleted_at on student for each row
    when ((old.deleted_at is null) <> (new.deleted_at is null)) execute function hide_past_of_student();

-- A child that is enrolled in a year again sits there by itself, whichever way it came back; what was fixed before holds it as it was.
create function reopen_year_of_student() returns trigger language plpgsql as $$
begin
    update past_enrolment set superseded_by = new.stint_number
    where student_id = new.id and school_year_id = new.school_year_id and closes_year and superseded_by is null and not is_aside;
    return null;
end $$;
create trigger student_reopens_its_year after update of status, school_year_id on student for each row
    when (new.status = 'active' and (old.status, old.school_year_id) is distinct from (new.status, new.school_year_id))
    execute function reopen_year_of_student();

-- Two children of whom somebody said that they are not the same child.
create table not_duplicates (
    first_id uuid not null references student on delete cascade,
    second_id uuid not null references student on delete cascade,
    said_at timestamptz not null,
    said_by bigint not null references person,
    primary key (first_id, second_id),
    constraint not_duplicates_is_in_order check (first_id < second_id)
);
create index not_duplicates_by_second on not_duplicates (second_id);

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

-- Data quality: the tests of one day, by school, by who tested and by subject.
create index result_by_day on result (tested_on, school_id, assessor_id, subject) where deleted_at is null and not is_hidden;

-- What is looked at about each test that somebody made on a day at a school: how long it took (seconds, where each step of a guided test kept its
-- time), the child's level in the newest round before, whether it has no baseline in the year, and whether another child of the school has its name,
-- grade and sex. Whoever may have to test a child again (blind_to) is told nothing of it. Served by result_by_day, result_is_unique,
-- guided_test_by_result and student_by_school, test by test and in no other way (offset 0).
create function tests_of_day(wanted_day date, wanted_school bigint, wanted_assessor bigint, wanted_subject subject, blind_to bigint)
returns table (
    id uuid, student_id uuid, round_id bigint, outcome outcome, rank smallint, method entry_method, came_at timestamptz, took_s integer,
    earlier_rank smallint, is_without_baseline boolean, has_possible_duplicate boolean)
language sql stable parallel safe as $$
    select r.id, r.student_id, r.round_id, r.outcome, r.rank, r.method, r.created_at,
        case when r.method = 'guided' then (
            select max(g.took_s)
            from (
                select case when count(*) = count(s.step->>'took_s') then sum((s.step->>'took_s')::integer) end::integer as took_s
                from guided_test t
                cross join jsonb_array_elements(t.steps) s (step)
                where t.result_id = r.id
                group by t.write_id) g) end,
        case when r.rank is not null then (
            select e.rank
            from result e
            join round er on er.id = e.round_id and (er.starts_on, er.id) < (rd.starts_on, rd.id)
            where e.student_id = r.student_id and e.subject = r.subject and e.deleted_at is null and not e.is_hidden and e.rank is not null
                -- a rank of another ladder says nothing of a fall
                and (select k.codes from scale k where k.key = case e.subject when 'language' then er.language_scale else er.math_scale end)
                    = (select k.codes from scale k where k.key = case r.subject when 'language' then rd.language_scale else rd.math_scale end)
                and (blind_to is null or e.assessor_id = blind_to
                    or not exists (select from verification v where v.result_id = e.id and v.state = 'pending' offset 0))
            order by er.starts_on desc, er.id desc
            limit 1) end,
        r.rank is not null and rd.kind <> 'baseline' and not exists (
            select from result b
            join round br on br.id = b.round_id and br.kind = 'baseline' and br.school_year_id = rd.school_year_id
            where b.student_id = r.student_id and b.subject = r.subject and b.deleted_at is null and b.outcome = 'assessed'
            offset 0),
        exists (
            select from student st
            join student o on o.school_id = st.school_id and o.name_key = st.name_key and o.deleted_at is null
            where st.id = r.student_id and o.id <> st.id and (o.grade, o.sex) = (st.grade, st.sex)
                and not exists (
                    select from not_duplicates n where (n.first_id, n.second_id) = (least(st.id, o.id), greatest(st.id, o.id)) offset 0)
            offset 0)
    from result r
    join round rd on rd.id = r.round_id
    where r.tested_on = wanted_day and r.school_id = wanted_school and r.assessor_id = wanted_assessor and r.subject = wanted_subject
        and r.deleted_at is null and not r.is_hidden
        and (blind_to is null or r.assessor_id = blind_to
            or not exists (select from verification v where v.result_id = r.id and v.state = 'pending' offset 0))
$$;

-- The same, counted. A test is too fast under 20 seconds: every way through it has two tasks at least. A drop of two levels or more between rounds is
-- looked at. In one minute: results entered as a bare level that came in the same minute, at most. Re-tests are those of the same rounds so far.
create function quality_of_day(wanted_day date, wanted_school bigint, wanted_assessor bigint, wanted_subject subject, blind_to bigint)
returns table (
    tests integer, assessed integer, absent integer, refused integer, went integer, ranks integer[], timed integer, too_fast integer,
    in_one_minute integer, without_baseline integer, drops integer, possible_duplicates integer, retested integer, agreed integer)
language sql stable parallel safe as $$
    with test as materialized (
        select * from tests_of_day(wanted_day, wanted_school, wanted_assessor, wanted_subject, blind_to)
    )
    select count(*)::integer, count(t.rank)::integer, count(*) filter (where t.outcome = 'absent')::integer,
        count(*) filter (where t.outcome = 'refused')::integer, count(*) filter (where t.outcome = 'left')::integer,
        array[
            count(*) filter (where t.rank = 1), count(*) filter (where t.rank = 2), count(*) filter (where t.rank = 3),
            count(*) filter (where t.rank = 4), count(*) filter (where t.rank = 5), count(*) filter (where t.rank = 6),
            count(*) filter (where t.rank = 7), count(*) filter (where t.rank = 8), count(*) filter (where t.rank = 9)]::integer[],
        count(t.took_s)::integer, count(*) filter (where t.took_s < 20)::integer,
        coalesce((
            select max(m.tests)
            from (select count(*) as tests from test d where d.method = 'direct' group by date_trunc('minute', d.came_at)) m), 0)::integer,
        count(*) filter (where t.is_without_baseline)::integer, count(*) filter (where t.rank <= t.earlier_rank - 2)::integer,
        count(*) filter (where t.has_possible_duplicate)::integer, max(c.retested)::integer, max(c.agreed)::integer
    from test t
    cross join (
        select count(*) as retested, count(*) filter (where v.rank = v.first_rank) as agreed
        from verification v
        where v.round_id in (select d.round_id from test d) and v.subject = wanted_subject and v.school_id = wanted_school
            and v.first_assessor_id = wanted_assessor and coalesce(v.ended_from, v.state) in ('agreed', 'disagreed', 'resolved')
            and (v.ended_from is null or v.ended_why <> 'removed' and exists (
                select from result r where r.id = v.result_id and r.deleted_at is null and not r.is_hidden))) c
$$;

-- Seats and rolls: where children stand in a round ---------------------------------------------------------------------------------

-- Whatever changes where a child stands takes the next number, and so does a round whose roll is fixed: what came before what is told by
-- numbers and never by clocks, which may stand, jump or be those of another machine.
create sequence stint_number;

-- The present stint (school, year, class, grade, sex) began at stint_number; the number of a child that has left is when it left.
alter table student add column stint_number bigint not null default nextval('stint_number');

-- A former stint lasted from from_number to until_number. Its seat in its year ends with it, but for one that closes its year: that is kept
-- for ever, or until the child is enrolled in that year again (superseded_by). is_aside: came with a record that was merged into this child,
-- beside a stint of its own; it is told, and holds no seat.
alter table past_enrolment add column from_number bigint not null default 0;
alter table past_enrolment add column until_number bigint not null default 0;
alter table past_enrolment add column superseded_by bigint;
alter table past_enrolment add column is_aside boolean not null default false;
alter table past_enrolment add column seat_until bigint generated always as (case when closes_year then superseded_by else until_number end) stored;
alter table past_enrolment add constraint past_enrolment_is_in_order check (from_number <= until_number and superseded_by > from_number);
create unique index past_enrolment_closes_a_year_once on past_enrolment (student_id, school_year_id) where closes_year and superseded_by is null and not is_aside;
create index past_enrolment_by_school on past_enrolment (school_id, school_year_id);
create index past_enrolment_by_class on past_enrolment (class_id) where class_id is not null;


-- Where children stand by their stints, whatever their results say. A round holds a row of its year when its roll is fixed at a number within
-- [from_number, seat_until), or when it isn't fixed and seat_until is null:
--     (seat_until is null or roll_number < seat_until) and (roll_number is null or from_number <= roll_number)
-- For a child and a round there is at most one. is_live: the child is not removed.
create view base_seat as
    select st.id as student_id, st.school_year_id, st.school_id, st.class_id, st.grade, st.sex, st.stint_number as from_number,
        null::bigint as seat_until, st.deleted_at is null as is_live
    from student st
    where st.status = 'active'
    union all
    select p.student_id, p.school_year_id, p.school_id, p.class_id, p.grade, p.sex, p.from_number, p.seat_until, not p.is_hidden as is_live
    from past_enrolment p
    where not p.is_aside;

create view counted_student as
    select b.school_year_id, b.school_id, b.grade, b.sex, count(*) as children
    from base_seat b
    join school s on s.id = b.school_id and not s.is_practice
    where b.seat_until is null and b.is_live
    group by b.school_year_id, b.school_id, b.grade, b.sex;

-- school_roll as it must be. Reads every result, and the stints of the years whose rounds are fixed.
create view counted_roll as
    select each.round_id, each.subject, each.school_id, each.grade, each.sex, sum(each.seats)::bigint as children
    from (
        select rd.id as round_id, sub.subject, b.school_id, b.grade, b.sex, count(*) as seats
        from round rd
        join base_seat b on b.school_year_id = rd.school_year_id and b.is_live and (b.seat_until is null or rd.roll_number < b.seat_until)
            and b.from_number <= rd.roll_number
        cross join unnest(enum_range(null::subject)) sub (subject)
        where rd.roll_number is not null
        group by rd.id, sub.subject, b.school_id, b.grade, b.sex
        union all
        select r.round_id, r.subject, r.school_id, r.grade, r.sex, count(*)
        from result r
        where r.deleted_at is null and not r.is_hidden
        group by r.round_id, r.subject, r.school_id, r.grade, r.sex
        union all
        select r.round_id, r.subject, b.school_id, b.grade, b.sex, -count(*)
        from result r
        join round rd on rd.id = r.round_id
        join base_seat b on b.student_id = r.student_id and b.school_year_id = rd.school_year_id
            and (b.seat_until is null or rd.roll_number < b.seat_until) and (rd.roll_number is null or b.from_number <= rd.roll_number)
        where r.deleted_at is null and not r.is_hidden
        group by r.round_id, r.subject, b.school_id, b.grade, b.sex) each
    join school s on s.id = each.school_id and not s.is_practice
    group by each.round_id, each.subject, each.school_id, each.grade, each.sex
    having sum(each.seats) <> 0;

-- The seats of a school in a round and subject: a child with a result sits where the result is, everybody else where its stints say. Class
-- sheets, lists of the missing and figures mean these. Served by result_by_school, student_by_school and past_enrolment_by_school.
create function seats_of_school(of_round bigint, of_subject subject, of_school bigint)
returns table (student_id uuid, class_id bigint, grade smallint, sex smallint, result_id uuid) language sql stable as $$
    select r.student_id, r.class_id, r.grade, r.sex, r.id
    from result r
    where r.school_id = of_school and r.round_id = of_round and r.subject = of_subject and r.deleted_at is null and not r.is_hidden
    union all
    select b.student_id, b.class_id, b.grade, b.sex, null
    from round rd
    join base_seat b on b.school_id = of_school and b.school_year_id = rd.school_year_id and b.is_live
        and (b.seat_until is null or rd.roll_number < b.seat_until) and (rd.roll_number is null or b.from_number <= rd.roll_number)
    where rd.id = of_round and not exists (
        select 1
        from result r
        where r.student_id = b.student_id and r.round_id = of_round and r.subject = of_subject and r.deleted_at is null)
$$;

-- Says for the next change of where children stand, in this transaction, that it is a move and no correction: why, in which words, until
-- which day, and with which roll-over. Said once, used once.
create function say_stint(reason text, words text, until_on date, roll_over_id uuid) returns void language sql as $$
    select set_config('rightlevel.stint',
        jsonb_build_object('reason', reason, 'words', words, 'until_on', until_on, 'roll_over_id', roll_over_id)::text, true)
$$;

-- A new stint begins with a move, with leaving and with coming back. A correction of class, grade or sex begins one only where a round whose
-- roll is fixed holds the child as it was; else the stint is corrected as a whole. Who gives a number goes back to a former stint (a roll-over
-- undone).
create function keep_stint() returns trigger language plpgsql as $$
begin
    if new.stint_number <> old.stint_number then
        return new;
    end if;
    if (new.school_id, new.school_year_id, new.status) is distinct from (old.school_id, old.school_year_id, old.status)
        or coalesce(current_setting('rightlevel.stint', true), '') <> ''
        or exists (
            select 1
            from round rd
            where rd.school_year_id = old.school_year_id and rd.roll_number is not null
                and (rd.roll_number >= old.stint_number or exists (
                    select 1 from result r where r.student_id = old.id and r.round_id = rd.id and r.deleted_at is null))) then
        new.stint_number := nextval('stint_number');
    end if;
    return new;
end $$;
create trigger student_keeps_stint before update on student for each row
    when ((old.school_id, old.school_year_id, old.class_id, old.grade, old.sex, old.status)
        is distinct from (new.school_id, new.school_year_id, new.class_id, new.grade, new.sex, new.status))
    execute function keep_stint();

-- A round's roll is fixed at its first closing, and when a later round opens: who is enrolled then is what it is measured by, for ever.

create function fix_roll(of_round bigint, fixed_at timestamptz) returns void language plpgsql as $$
declare
    year_id bigint;
begin
    -- Whoever changes where children stand, or what they could do, has committed before this goes on, or comes after it. Children first, as
    -- everybody who writes both does.
    lock table student, result in share row exclusive mode;
    update round set roll_at = fixed_at, roll_number = nextval('stint_number')
    where id = of_round and roll_number is null
    returning school_year_id into year_id;
    if year_id is null then
        return;
    end if;
    insert into school_roll as c (school_id, round_id, subject, grade, sex, children)
    select e.school_id, of_round, sub.subject, e.grade, e.sex, e.children
    from school_enrolled e
    cross join unnest(enum_range(null::subject)) sub (subject)
    where e.school_year_id = year_id and e.children <> 0
    order by 1, 2, 3, 4, 5
    on conflict (school_id, round_id, subject, grade, sex) do update set children = c.children + excluded.children;
    insert into place_roll as c (place_id, round_id, subject, grade, sex, shard, children)
    select e.place_id, of_round, sub.subject, e.grade, e.sex, e.shard, e.children
    from place_enrolled e
    cross join unnest(enum_range(null::subject)) sub (subject)
    where e.school_year_id = year_id and e.children <> 0
    order by 1, 2, 3, 4, 5, 6
    on conflict (place_id, round_id, subject, grade, sex, shard) do update set children = c.children + excluded.children;
end $$;

-- A round that goes on within its days goes by who is enrolled now again. Only children who moved since are looked at, beside the counts.
create function loosen_roll(of_round bigint) returns void language plpgsql as $$
declare
    was bigint;
    year_id bigint;
    rolls roll_delta[];
begin
    lock table student, result in share row exclusive mode;
    select roll_number, school_year_id into was, year_id from round where id = of_round;
    if was is null then
        return;
    end if;
    -- First, so that what follows is counted where schools stand now.
    update round set roll_at = null, roll_number = null where id = of_round;
    with moved as materialized (
        select b.student_id, b.school_id, b.grade, b.sex, b.is_live, case when b.seat_until is null then 1 else -1 end as seats
        from base_seat b
        where b.school_year_id = year_id
            and ((b.seat_until is null and b.from_number > was) or (b.seat_until > was and b.from_number <= was))
    )
    select array_agg(row(of_round, d.subject, d.school_id, d.grade, d.sex, d.seats)::roll_delta) into rolls
    from (
        select subject, school_id, grade, sex, sum(seats) as seats
        from (
            select sub.subject, m.school_id, m.grade, m.sex, m.seats
            from moved m
            cross join unnest(enum_range(null::subject)) sub (subject)
            where m.is_live
            union all
            select r.subject, m.school_id, m.grade, m.sex, -m.seats
            from moved m
            join result r on r.student_id = m.student_id and r.round_id = of_round and r.deleted_at is null and not r.is_hidden) each
        group by subject, school_id, grade, sex
        having sum(seats) <> 0) d;
    update school_roll c set children = c.children - e.children
    from school_enrolled e
    where c.round_id = of_round and e.school_id = c.school_id and e.school_year_id = year_id and e.grade = c.grade and e.sex = c.sex;
    insert into school_roll (school_id, round_id, subject, grade, sex, children)
    select e.school_id, of_round, sub.subject, e.grade, e.sex, -e.children
    from school_enrolled e
    cross join unnest(enum_range(null::subject)) sub (subject)
    where e.school_year_id = year_id and e.children <> 0
    on conflict (school_id, round_id, subject, grade, sex) do nothing;
    update place_roll c set children = c.children - e.children
    from place_enrolled e
    where c.round_id = of_round and e.place_id = c.place_id and e.school_year_id = year_id and e.grade = c.grade and e.sex = c.sex and e.shard = c.shard;
    insert into place_roll (place_id, round_id, subject, grade, sex, shard, children)
    select e.place_id, of_round, sub.subject, e.grade, e.sex, e.shard, -e.children
    from place_enrolled e
    cross join unnest(enum_range(null::subject)) sub (subject)
    where e.school_year_id = year_id and e.children <> 0
    on conflict (place_id, round_id, subject, grade, sex, shard) do nothing;
    if cardinality(rolls) > 0 then
        perform add_school_roll(rolls);
        perform add_place_roll(rolls);
    end if;
end $$;

create function note_round_state() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.state_at = old.state_at and new.state <> old.state then
        new.state_at := now();
    end if;
    if new.state <> 'planned' then
        new.opened_at := coalesce(new.opened_at, new.state_at);
    end if;
    return new;
end $$;
create trigger round_notes_its_state before insert or update of state on round for each row execute function note_round_state();

create function fix_rolls_of_round() returns trigger language plpgsql as $$
declare
    earlier bigint;
begin
    if new.state in ('closed', 'frozen') or (tg_op = 'INSERT' and exists (
        select 1 from round o where o.starts_on > new.starts_on and o.opened_at is not null and o.deleted_at is null)) then
        perform fix_roll(new.id, new.state_at);
    end if;
    if new.state <> 'planned' then
        for earlier in
            select o.id from round o
            where o.starts_on < new.starts_on and o.roll_number is null and o.deleted_at is null
            order by o.id
        loop
            perform fix_roll(earlier, new.state_at);
        end loop;
    end if;
    return null;
end $$;
create trigger round_fixes_rolls after insert or update of state on round for each row execute function fix_rolls_of_round();
-- The record that a record went into, through as many merges as there were; itself when it stands by itself.
create function kept_student(wanted uuid) returns uuid language sql stable as $$
    with recursive way (id, merged_into, steps) as (
        select s.id, s.merged_into, 0 from student s where s.id = wanted
        union all
        select s.id, s.merged_into, w.steps + 1 from way w join student s on s.id = w.merged_into where w.steps < 100
    )
    select w.id from way w where w.merged_into is null
$$;

-- Practice schools -------------------------------------------------------------------------------------------------------

-- Schools whose results are kept as they were frozen: every one but practice schools, which are in no snapshot.
create view frozen_school as
    select s.round_id, sc.id as school_id, s.sealed_at
    from round_snapshot s
    join school sc on not sc.is_practice
        or exists (select 1 from round_snapshot_part p where p.round_id = s.round_id and p.school_id = sc.id);

create or replace function keep_amendments() returns trigger language plpgsql as $$
declare
    said text := nullif(current_setting('rightlevel.amending', true), '');
begin
    if not exists (select 1 from old_rows o join frozen_school s on s.round_id = o.round_id and s.school_id = o.school_id) then
        return null;
    end if;
    if tg_op = 'DELETE' then
        raise exception 'results of a frozen round are not removed' using errcode = 'check_violation', constraint = 'round_is_frozen';
    end if;
    if exists (
        select 1
        from old_rows o
        join new_rows n on n.id = o.id
        join frozen_school s on s.round_id = o.round_id and s.school_id = o.school_id and s.sealed_at is null
        where o.deleted_at is distinct from n.deleted_at or snapshot_line(o::result) <> snapshot_line(n::result)) then
        raise exception 'a round that is being frozen does not change' using errcode = 'check_violation', constraint = 'round_is_sealing';
    end if;
    if said is null and exists (
        select 1
        from old_rows o
        join new_rows n on n.id = o.id
        join frozen_school s on s.round_id = o.round_id and s.school_id = o.school_id
        where o.deleted_at is distinct from n.deleted_at or snapshot_line(o::result) <> snapshot_line(n::result)) then
        raise exception 'a result of a frozen round changes only with a reason' using errcode = 'check_violation', constraint = 'round_is_frozen';
    end if;
    insert into amendment (round_id, result_id, school_id, before_line, person_id, reason)
    select o.round_id, o.id, o.school_id, case when o.deleted_at is null then snapshot_line(o::result) end,
        nullif(current_setting('rightlevel.amending_by', true), '')::bigint, left(said, 200)
    from old_rows o
    join new_rows n on n.id = o.id
    join frozen_school s on s.round_id = o.round_id and s.school_id = o.school_id
    where o.deleted_at is distinct from n.deleted_at or snapshot_line(o::result) <> snapshot_line(n::result);
    return null;
end $$;

-- Whether anything was counted or done at a school, or its children stand in a year of which a round's roll is fixed.
create function has_past(wanted bigint) returns boolean language sql stable as $$
    select exists (select 1 from result r where r.school_id = wanted)
        or exists (select 1 from teaching_session t where t.school_id = wanted)
        or exists (select 1 from visit v where v.school_id = wanted)
        or exists (select 1 from past_enrolment p where p.school_id = wanted)
        or exists (
            select 1
            from student st
            join round r on r.school_year_id = st.school_year_id and r.roll_at is not null and r.deleted_at is null
            where st.school_id = wanted and st.deleted_at is null)
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
                where p.student_id = st.id and p.school_id = gr.school_id and p.until_on > gr.replaced_on and not p.is_aside))
        else m.left_at is null and (
            (st.status = 'active' and st.school_id = gr.school_id)
            or (m.joined_at is not null and exists (
                select 1 from past_enrolment p
                where p.student_id = st.id and p.school_id = gr.school_id and p.school_year_id = in_year and not p.is_aside)))
            and (in_year is null or m.joined_at is null or m.joined_at < (
                select y.ends_on + interval '2 days' from school_year y where y.id = in_year))
        end
$$;

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

-- Codes of children who were erased, as digests and without their children: an old roster that names one is told so instead of adding a child.
create table erased_code (
    school_id bigint not null references school on delete cascade,
    digest bytea not null constraint erased_code_digest_is_sha256 check (length(digest) = 32),
    primary key (school_id, digest)
);

create function code_digest(of_school bigint, of_code text) returns bytea language sql immutable parallel safe as $$
    select sha256(convert_to(of_school || ':' || lower(of_code), 'UTF8'))
$$;

-- The school, if it may be emptied: whatever empties one asks for it by this name, so that no mistake in a program reaches a real school. It is
-- a practice school, in no snapshot, and nothing ties its children to a real one.
create function practice_school(wanted bigint) returns bigint language plpgsql stable as $$
begin
    if not exists (select 1 from school s where s.id = wanted and s.is_practice) then
        raise exception 'only a practice school is emptied' using errcode = 'check_violation', constraint = 'school_is_for_practice';
    end if;
    if exists (
        select 1
        from round_snapshot s
        join round_snapshot_part p on p.round_id = s.round_id and p.school_id = wanted)
    or exists (
        select 1
        from result r
        join student st on st.id = r.student_id and st.school_id <> wanted
        join school o on o.id = st.school_id and not o.is_practice
        where r.school_id = wanted and r.deleted_at is null)
    or exists (
        select 1
        from (
            select a.id from student a where a.school_id = wanted and a.deleted_at is null
            union all
            select d.id from student d where d.school_id = wanted and d.deleted_at is not null) st
        join result r on r.student_id = st.id and r.school_id <> wanted
        join school o on o.id = r.school_id and not o.is_practice) then
        raise exception 'a school that was a real one is not emptied' using errcode = 'check_violation', constraint = 'school_was_real';
    end if;
    return wanted;
end $$;

-- Photos whose visit is gone: their bytes are taken out of the store from due_at on, then the row. At most five for each visit that was emptied.
create table photo_left (
    photo_id uuid primary key,
    visit_id uuid not null,
    due_at timestamptz not null
);
create index photo_left_by_due on photo_left (due_at, photo_id);

-- What is deleted, and what hangs on it.
create index student_deleted_by_school on student (school_id) where deleted_at is not null;
create index result_by_student on result (student_id);
create index amendment_by_result on amendment (result_id);
create index visit_deleted_by_school on visit (school_id) where deleted_at is not null;
create index photo_by_visit on photo (visit_id);

-- Forms -----------------------------------------------------------------------------------------------------------------

-- Forms as data: a form's versions never change once they are published; a draft is what coordinators are writing. A definition takes at most
-- 256 kB, a form has at most 1,000 versions, and there are at most 50 forms (programme/forms/model.py).
create table form (
    id bigint generated always as identity primary key,
    code text not null constraint form_code_is_unique unique constraint form_code_is_short check (code ~ '^[a-z][a-z0-9_]{0,39}$'),
    draft jsonb constraint form_draft_is_small check (pg_column_size(draft) <= 262144),
    draft_changed_at timestamptz,
    draft_changed_by bigint references person,
    version integer not null default 1
);
create table form_version (
    id bigint generated always as identity primary key,
    form_id bigint not null references form,
    number integer not null,
    definition jsonb not null constraint form_version_is_small check (pg_column_size(definition) <= 262144),
    published_at timestamptz not null default now(),
    published_by bigint references person,
    constraint form_version_number_is_unique unique (form_id, number)
);

create function keep_form_versions() returns trigger language plpgsql as $$
begin
    raise exception 'a published version of a form does not change' using errcode = 'check_violation', constraint = 'form_version_is_kept';
end $$;
create trigger form_versions_are_kept before update or delete on form_version for each row execute function keep_form_versions();

-- What visits were asked before there were forms: version 1. The first whole form is published beside it when the platform starts.
insert into form (code) values ('visit');
insert into form_version (form_id, number, definition)
select id, 1, '{"name":"Visit","version":1,"languages":["en","km"],"sections":[{"key":"all","labels":{"en":"Visit","km":"ការចុះជួយ"},"fields":[{"key":"session_ran","type":"choice","labels":{"en":"Was there a session?","km":"តើមានវគ្គបង្រៀនទេ?"},"required_when":true,"options":[{"value":"yes","labels":{"en":"Yes","km":"បាទ/ចាស"}},{"value":"no","labels":{"en":"No","km":"ទេ"}}]},{"key":"not_ran_reason","type":"text","labels":{"en":"Why not?","km":"ហេតុអ្វីមិនមាន?"},"required_when":true,"shown_when":["eq","session_ran","no"],"max_length":2000},{"key":"feedback","type":"long_text","labels":{"en":"Feedback given","km":"មតិត្រឡប់"}},{"key":"recommendations","type":"long_text","labels":{"en":"Recommendations","km":"អនុសាសន៍"}}]}]}'::jsonb
from form
where code = 'visit';
alter table visit add constraint visit_form_version_id_fkey foreign key (form_version_id) references form_version;

-- The queue of re-tests in the order in which it is read, a page at a time: for whoever sees many schools.
create index verification_under_way on verification (round_id, id) where state in ('pending', 'disagreed', 'returned');
create index verification_settled on verification (round_id, id) where state in ('agreed', 'resolved');
create index verification_settled_by_school on verification (child_school_id, round_id, id) where state in ('agreed', 'resolved');

-- Backups ---------------------------------------------------------------------------------------------------------------------

-- Which backups were made, for whoever asks whether there is one; the last hundred.
create table backup (
    id bigint generated always as identity primary key,
    made_at timestamptz not null,
    name text not null constraint backup_name_is_short check (length(name) between 1 and 100),
    size_bytes bigint not null,
    took_s float8 not null
);
create index backup_by_time on backup (made_at desc);

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

-- What everyone starts with ------------------------------------------------------------------------------------------------

insert into setting (key, value) values ('grades', '[3, 4, 5]'), ('programme_name', '"RightLevel"');

insert into scale (subject, name, version, is_default, key, codes, published_at) values
    ('language', 'TaRL', 1, true, '00000000-0000-7000-8000-000000000001', '{beginner,letter,word,paragraph,story,comprehension1,comprehension2}', now()),
    ('math', 'TaRL', 1, true, '00000000-0000-7000-8000-000000000002',
        '{beginner,number_1digit,number_2digit,subtraction,division,word_problems}', now());
insert into scale_level (scale_id, rank, code, colour, label)
select s.id, l.rank, l.code, l.colour, jsonb_build_object('en', l.en, 'km', l.km)
from scale s
join (values
    ('language'::subject, 1, 'beginner', '#b2182b', 'Beginner', 'ដំបូង'),
    ('language', 2, 'letter', '#ef8a62', 'Letters', 'តួអក្សរ'),
    ('language', 3, 'word', '#fddbc7', 'Words', 'ពាក្យ'),
    ('language', 4, 'paragraph', '#d1e5f0', 'Paragraph', 'កថាខណ្ឌ'),
    ('language', 5, 'story', '#67a9cf', 'Story', 'រឿង'),
    ('language', 6, 'comprehension1', '#2f79b5', 'Comprehension 1', 'យល់ន័យ១'),
    ('language', 7, 'comprehension2', '#134a7c', 'Comprehension 2', 'យល់ន័យ២'),
    ('math', 1, 'beginner', '#b2182b', 'Beginner', 'ដំបូង'),
    ('math', 2, 'number_1digit', '#ef8a62', '1-digit numbers', 'លេខ១ខ្ទង'),
    ('math', 3, 'number_2digit', '#fddbc7', '2-digit numbers', 'លេខ២ខ្ទង'),
    ('math', 4, 'subtraction', '#d1e5f0', 'Subtraction', 'ប្រមាណវិធីដក'),
    ('math', 5, 'division', '#67a9cf', 'Division', 'ប្រមាណវិធីចែក'),
    ('math', 6, 'word_problems', '#2f79b5', 'Word problems', 'ចំណោទ')
) as l (subject, rank, code, colour, en, km) on l.subject = s.subject;
