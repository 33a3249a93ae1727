-- Possible duplicates are called so everywhere. PostgreSQL 18 names what may not be null too.
alter table not_twins rename to not_duplicates;
alter index not_twins_by_second rename to not_duplicates_by_second;
do $$
declare
    old text;
begin
    for old in select conname from pg_constraint where conrelid = 'not_duplicates'::regclass and conname like 'not\_twins\_%' loop
        execute format('alter table not_duplicates rename constraint %I to %I', old, replace(old, 'not_twins_', 'not_duplicates_'));
    end loop;
end $$;
