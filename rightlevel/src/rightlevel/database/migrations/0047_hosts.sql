-- Several hosts on one database: which there are and how each fares, and which of them does what only one is to do.

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
