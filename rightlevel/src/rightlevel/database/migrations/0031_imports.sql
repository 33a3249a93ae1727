-- Each import says which process does it and that it is alive: a process that starts no longer ends the imports of others.
alter table import_run add owner uuid, add seen_at timestamptz not null default clock_timestamp();
create index import_run_under_way on import_run (seen_at) where state in ('waiting', 'reading', 'saving');
