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
