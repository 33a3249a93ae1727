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

-- Whether somebody reads digits in their language's own script.
alter table person add column has_own_digits boolean not null default false;

-- What passes each task of the guided test, in versions that never change: a test is judged by the version that it was run with, also when it
-- comes from a phone weeks later.
create table guided_rules (
    version integer primary key constraint guided_rules_count_from_one check (version >= 1),
    thresholds jsonb not null constraint guided_rules_are_small check (pg_column_size(thresholds) <= 8192),
    made_at timestamptz not null default now(),
    made_by bigint references person
);
insert into guided_rules (version, thresholds) select 1, value from setting where key = 'guided_test';
delete from setting where key = 'guided_test';

-- Which version of the tool was shown, and of the rules it was run by.
alter table guided_test add column tool_id bigint references test_tool, add column rules_version integer not null default 0;
