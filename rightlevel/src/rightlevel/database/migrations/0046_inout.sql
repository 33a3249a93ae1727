-- Results are imported too: what an import added or changed of them is kept by their ids, so that it can be undone.
alter table import_run drop constraint import_run_kind_is_known;
alter table import_run add constraint import_run_kind_is_known check (kind in ('schools', 'students', 'results'));
alter table import_source drop constraint import_source_kind_is_known;
alter table import_source add constraint import_source_kind_is_known check (kind in ('schools', 'students', 'results'));

alter table import_added add column result_ids uuid[];
alter table import_added drop constraint import_added_thing_is_known;
alter table import_added add constraint import_added_thing_is_known check (thing in ('student', 'class', 'school', 'place', 'result'));
alter table import_added drop constraint import_added_is_of_one_kind;
alter table import_added add constraint import_added_is_of_one_kind check (num_nonnulls(student_ids, other_ids, result_ids) = 1);

alter table import_changed add column result_id uuid;
alter table import_changed drop constraint import_changed_is_of_one_thing;
alter table import_changed add constraint import_changed_is_of_one_thing check (num_nonnulls(student_id, school_id, result_id) = 1);
create index import_changed_by_result on import_changed (result_id) where result_id is not null;
