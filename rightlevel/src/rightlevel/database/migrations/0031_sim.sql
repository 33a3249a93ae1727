-- Several processes may import: which one takes a run on, and when it last said that it lives. One that died is told from one that works.
alter table import_run add column runner uuid, add column seen_at timestamptz not null default now();
create index import_run_under_way on import_run (seen_at) where ended_at is null;
