-- Places, classes, people and assignments are imported too: row by row, each as the deed that it is by hand. What such a row did is kept in its order,
-- for that is undone from its end.
alter table import_run drop constraint import_run_kind_is_known;
alter table import_run add constraint import_run_kind_is_known
    check (kind in ('places', 'schools', 'classes', 'students', 'results', 'people', 'assignments'));
alter table import_source drop constraint import_source_kind_is_known;
alter table import_source add constraint import_source_kind_is_known
    check (kind in ('places', 'schools', 'classes', 'students', 'results', 'people', 'assignments'));

alter table import_changed add column thing text, add column thing_id bigint, add column is_new boolean not null default false;
alter table import_changed add constraint import_changed_thing_is_known check (thing in ('place', 'boundary', 'class', 'person', 'assignment'));
alter table import_changed drop constraint import_changed_is_of_one_thing;
alter table import_changed add constraint import_changed_is_of_one_thing check (num_nonnulls(student_id, school_id, result_id, thing_id) = 1);
alter table import_changed add constraint import_changed_thing_has_its_number check ((thing is null) = (thing_id is null));
