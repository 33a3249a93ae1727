-- The list of children by name is read in the order of this index, which also finds a name by its beginning: codes are compared byte by byte
-- in the databases this program makes, and text_pattern_ops served no order.
drop index student_by_name;
create index student_by_name on student (name_key, id) where deleted_at is null;
