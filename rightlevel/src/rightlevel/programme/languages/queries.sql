-- name: language_settings
-- What changes with languages: the mark of the last change, and the calendar. Served by setting's primary key.
select (select s.value #>> '{}' from setting s where s.key = 'language_mark') as mark,
    (select s.value #>> '{}' from setting s where s.key = 'calendar') as calendar

-- name: save_setting
-- Keeps one of them.
insert into setting (key, value) values (%(key)s, %(value)s::jsonb)
on conflict (key) do update set value = excluded.value, changed_at = now()

-- name: list_languages
-- The languages of the programme, English first, with how many texts were translated here. Served by translation's primary key; there are few.
select l.code, l.is_offered, l.version, (select count(*) from translation t where t.language = l.code) as translated
from language l
order by l.code <> 'en', l.code
limit 100

-- name: insert_language
-- A language that is not offered yet.
insert into language (code) values (%(code)s)

-- name: change_language
-- Offers a language or stops, if it is still the version that was read.
update language
set is_offered = %(is_offered)s, version = version + 1, changed_at = now()
where code = %(code)s and version = %(version)s

-- name: translations_of
-- What was translated here into one language. Served by the primary key.
select t.text, t.forms, t.version
from translation t
where t.language = %(code)s
order by t.text
limit %(rows)s

-- name: find_translation
-- One translation. Served by the primary key.
select t.text, t.forms, t.version
from translation t
where t.language = %(code)s and t.text = %(text)s

-- name: insert_translation
-- A text that was not translated here yet; nothing where somebody else was faster.
insert into translation (language, text, forms, changed_by)
values (%(code)s, %(text)s, %(forms)s, %(person_id)s)
on conflict do nothing
returning text, forms, version

-- name: change_translation
-- Another translation of a text, if it is still the version that was read.
update translation
set forms = %(forms)s, version = version + 1, changed_at = now(), changed_by = %(person_id)s
where language = %(code)s and text = %(text)s and version = %(version)s
returning text, forms, version

-- name: keep_translations
-- Many translations at once, whatever stood there; what is the same stays as it is.
insert into translation (language, text, forms, changed_by)
select %(code)s, t.text, array(select jsonb_array_elements_text(t.forms)), %(person_id)s
from unnest(%(texts)s::text[], %(forms)s::jsonb[]) as t (text, forms)
on conflict (language, text) do update
set forms = excluded.forms, version = translation.version + 1, changed_at = now(), changed_by = excluded.changed_by
where translation.forms <> excluded.forms
