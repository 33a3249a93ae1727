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
