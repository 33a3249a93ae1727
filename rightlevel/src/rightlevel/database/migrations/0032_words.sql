-- Possible duplicates are called so everywhere.
alter table not_twins rename to not_duplicates;
alter table not_duplicates rename constraint not_twins_is_in_order to not_duplicates_is_in_order;
alter index not_twins_by_second rename to not_duplicates_by_second;
alter index not_twins_pkey rename to not_duplicates_pkey;
alter table not_duplicates rename constraint not_twins_first_id_fkey to not_duplicates_first_id_fkey;
alter table not_duplicates rename constraint not_twins_second_id_fkey to not_duplicates_second_id_fkey;
alter table not_duplicates rename constraint not_twins_said_by_fkey to not_duplicates_said_by_fkey;
