-- Children who left, by name: they are few, and all were read for the first page of them. A code is looked for in all schools: without its index every
-- child was read.
create index student_left_by_name on student (name_key, id) where deleted_at is null and status = 'left';
create index student_by_code on student (lower(code)) where deleted_at is null;
