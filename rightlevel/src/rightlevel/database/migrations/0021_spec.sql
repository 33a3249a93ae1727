-- A grouping that is taken away takes its groups along, and they their members: without this each group reads every member there is.
create index group_member_by_group on group_member (group_id);
-- Months are made and taken away by the service, which may change no table itself: the owner's functions do it for it, and nothing else.
do $$
begin
    execute format('alter function make_month(regclass, date) security definer set search_path = %I, pg_temp', current_schema());
    execute format('alter function drop_month(regclass, date, bigint) security definer set search_path = %I, pg_temp', current_schema());
end
$$;
