-- Forms as data: a form's versions never change once they are published; a draft is what coordinators are writing. A definition takes at most
-- 256 kB, a form has at most 1,000 versions, and there are at most 50 forms (programme/forms/model.py).
create table form (
    id bigint generated always as identity primary key,
    code text not null constraint form_code_is_unique unique constraint form_code_is_short check (code ~ '^[a-z][a-z0-9_]{0,39}$'),
    draft jsonb constraint form_draft_is_small check (pg_column_size(draft) <= 262144),
    draft_changed_at timestamptz,
    draft_changed_by bigint references person,
    version integer not null default 1
);
create table form_version (
    id bigint generated always as identity primary key,
    form_id bigint not null references form,
    number integer not null,
    definition jsonb not null constraint form_version_is_small check (pg_column_size(definition) <= 262144),
    published_at timestamptz not null default now(),
    published_by bigint references person,
    constraint form_version_number_is_unique unique (form_id, number)
);

create function keep_form_versions() returns trigger language plpgsql as $$
begin
    raise exception 'a published version of a form does not change' using errcode = 'check_violation', constraint = 'form_version_is_kept';
end $$;
create trigger form_versions_are_kept before update or delete on form_version for each row execute function keep_form_versions();

-- What visits were asked before there were forms: version 1. The first whole form is published beside it when the platform starts.
insert into form (code) values ('visit');
insert into form_version (form_id, number, definition)
select id, 1, '{"name":"Visit","version":1,"languages":["en","km"],"sections":[{"key":"all","labels":{"en":"Visit","km":"ការចុះជួយ"},"fields":[{"key":"session_ran","type":"choice","labels":{"en":"Was there a session?","km":"តើមានវគ្គបង្រៀនទេ?"},"required_when":true,"options":[{"value":"yes","labels":{"en":"Yes","km":"បាទ/ចាស"}},{"value":"no","labels":{"en":"No","km":"ទេ"}}]},{"key":"not_ran_reason","type":"text","labels":{"en":"Why not?","km":"ហេតុអ្វីមិនមាន?"},"required_when":true,"shown_when":["eq","session_ran","no"],"max_length":2000},{"key":"feedback","type":"long_text","labels":{"en":"Feedback given","km":"មតិត្រឡប់"}},{"key":"recommendations","type":"long_text","labels":{"en":"Recommendations","km":"អនុសាសន៍"}}]}]}'::jsonb
from form
where code = 'visit';
alter table visit add constraint visit_form_version_id_fkey foreign key (form_version_id) references form_version;
