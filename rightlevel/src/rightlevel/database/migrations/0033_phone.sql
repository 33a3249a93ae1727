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
