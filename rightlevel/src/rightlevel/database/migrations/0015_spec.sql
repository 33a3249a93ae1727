-- A grouping that is taken away takes its groups along, and they their members: without this each group reads every member there is.
create index group_member_by_group on group_member (group_id);
