-- Imports: rows that were not asked for and rows that were left out since they are wrong, what would cure a fault, mappings kept for the next file
-- of a source; school codes in the one normal form (programme/codes.py).

alter table import_run
    add column left_out bigint not null default 0,
    add column skipped bigint not null default 0,
    add column leaves_bad_rows boolean not null default false,
    add column mapping text not null default '',
    add column source text not null default '',
    add constraint import_run_mapping_is_bounded check (length(mapping) <= 65536),
    add constraint import_run_source_is_short check (length(source) <= 100);

alter table import_fault
    add column cure text not null default '',
    add column is_left_out boolean not null default false;

-- The rows that an import left out because they are wrong, as the file has them; number 0 holds the headers. They hold names: an erased child's go.
create table import_row (
    run_id uuid not null references import_run on delete cascade,
    number bigint not null,
    row_number bigint not null,
    cells text[] not null,
    primary key (run_id, number)
);

-- What was said of the files of one source, for its next file.
create table import_source (
    id bigint generated always as identity primary key,
    kind text not null constraint import_source_kind_is_known check (kind in ('schools', 'students')),
    name text not null constraint import_source_name_is_short check (length(name) between 1 and 100),
    mapping text not null constraint import_source_mapping_is_bounded check (length(mapping) <= 65536),
    used_at timestamptz not null default now()
);
create unique index import_source_by_name on import_source (kind, lower(name));

-- Codes of schools in the form that codes of children have had: composed, nothing that isn't seen, digits 0-9; ="001" and '001 are 001, 101.0 is
-- 101. A code stays as it is where another school has that form already, or where nothing or too much would be left.
create function code_form_0026(code text) returns text language sql immutable as $$
    select regexp_replace(regexp_replace(regexp_replace(f.form, '^=\s*"([^"]*)"$', '\1'), '^[''‘’]([^''‘’]+)$', '\1'), '^([0-9]+)\.0+$', '\1')
    from (
        select translate(
            normalize(btrim(regexp_replace(
                regexp_replace(code, '[\u00AD\u200B-\u200F\u202A-\u202E\u2060-\u2064\uFEFF]', '', 'g'), '\s+', ' ', 'g')), NFC),
            '០១២៣៤៥៦៧៨៩٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९০১২৩৪৫৬৭৮৯๐๑๒๓๔๕๖๗๘๙໐໑໒໓໔໕໖໗໘໙၀၁၂၃၄၅၆၇၈၉',
            repeat('0123456789', 8)) as form) f
$$;
update school s
set code = f.form
from (
    select id, code_form_0026(code) as form, row_number() over (partition by code_form_0026(code) order by id) as place
    from school
    where code <> code_form_0026(code)) f
where s.id = f.id and f.place = 1 and length(f.form) between 1 and 100 and not exists (select 1 from school o where o.code = f.form);

select set_config('rightlevel.changing_deed', 'migration', true);
update student st
set code = f.form
from (
    select id, school_id, code_form_0026(code) as form,
        row_number() over (partition by school_id, lower(code_form_0026(code)) order by created_at, id) as place
    from student
    where code <> code_form_0026(code)) f
where st.id = f.id and f.place = 1 and length(f.form) between 1 and 40
    and not exists (select 1 from student o where o.school_id = f.school_id and lower(o.code) = lower(f.form) and o.id <> f.id);
select set_config('rightlevel.changing_deed', '', true);
drop function code_form_0026(text);
