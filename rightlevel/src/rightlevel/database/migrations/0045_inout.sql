-- An import is looked at first: the preview keeps its file for a day, so that what was looked at can be applied, and says of each row what would
-- become of it. The file lies on disk under this id; `attempts` counts how often a process began, so that a file that ends each of them stops.
alter table import_run add column file uuid, add column attempts smallint not null default 1, add column address text not null default '',
    add column applies uuid references import_run on delete cascade, add column preview jsonb;
create unique index import_run_is_applied_once on import_run (applies) where applies is not null and state in ('waiting', 'reading', 'saving', 'done');
create index import_run_by_applied on import_run (applies) where applies is not null;
create index import_run_by_file on import_run (file) where file is not null;

-- `run_id` references nothing: a file has a million rows that are written by one statement, which would keep each of them in memory until it ends.
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
