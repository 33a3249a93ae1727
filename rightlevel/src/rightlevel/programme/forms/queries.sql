-- name: list_forms
-- The forms with their version in use, by code; at most fifty.
select f.code, coalesce(f.draft ->> 'name', v.definition ->> 'name', f.code) as name, f.version, v.id as current_id, v.number as current_number,
    v.published_at, f.draft is not null as has_draft, f.draft_changed_at, p.display_name as draft_changed_by
from form f
left join lateral (
    select e.id, e.number, e.published_at, e.definition
    from form_version e
    where e.form_id = f.id
    order by e.number desc
    limit 1) v on true
left join person p on p.id = f.draft_changed_by
where true
--? by_code: and f.code = %(code)s
order by f.code
limit 51

-- name: read_draft
-- What is being written of a form.
select draft
from form
where code = %(code)s

-- name: read_version
-- One version of a form, by its id or the latest of a form.
select v.id, f.code, v.number, v.definition, v.published_at, p.display_name as published_by
from form_version v
join form f on f.id = v.form_id
left join person p on p.id = v.published_by
where true
--? by_id: and v.id = %(version_id)s
--? by_code: and f.code = %(code)s
order by v.number desc
limit 1

-- name: list_versions
-- The versions of a form, the latest first. Served by form_version_number_is_unique.
select v.id, v.number, v.published_at, p.display_name as published_by,
    (select count(*) from jsonb_array_elements(v.definition -> 'sections') s cross join jsonb_array_elements(s -> 'fields') q)::integer as questions
from form_version v
join form f on f.id = v.form_id
left join person p on p.id = v.published_by
where f.code = %(code)s
--? after: and v.number < %(after)s
order by v.number desc
limit %(rows)s

-- name: insert_form
-- A new form with its first draft.
insert into form (code, draft, draft_changed_at, draft_changed_by)
select %(code)s, %(draft)s::jsonb, %(now)s, %(person_id)s
where (select count(*) from form) < %(most)s
on conflict (code) do nothing

-- name: change_draft
-- Puts a draft in place of the one that was read, or takes it away.
update form
set draft = %(draft)s::jsonb, draft_changed_at = %(now)s, draft_changed_by = %(person_id)s, version = version + 1
where code = %(code)s and version = %(version)s

-- name: publish
-- What was being written becomes the next version.
insert into form_version (form_id, number, definition, published_at, published_by)
select f.id, %(number)s, %(definition)s::jsonb, %(now)s, %(person_id)s
from form f
where f.code = %(code)s
returning id

-- name: publish_first
-- The first whole form of a visit, where nobody published another.
insert into form_version (form_id, number, definition)
select f.id, 2, %(definition)s::jsonb
from form f
where f.code = %(code)s
on conflict (form_id, number) do nothing
