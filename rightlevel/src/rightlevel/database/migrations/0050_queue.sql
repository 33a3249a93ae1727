-- The queue of imports is the table of imports: any host takes what waits. Somebody may ask that one ends, on whichever host it is.
alter table import_run add column is_to_stop boolean not null default false;
