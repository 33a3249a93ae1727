-- name: publish_first_tools
-- Adds the tools that come with the program where they are not there yet. Served by test_tool_is_unique.
insert into test_tool (subject, number, language, version, content)
select t.subject::subject, t.number, t.language, t.version, t.content
from unnest(%(subjects)s::text[], %(numbers)s::smallint[], %(languages)s::text[], %(versions)s::integer[], %(contents)s::jsonb[])
    as t (subject, number, language, version, content)
where not exists (
    select from test_tool there
    where (there.subject, there.language, there.number, there.version) = (t.subject::subject, t.language, t.number, t.version))
on conflict (subject, language, number, version) do nothing

-- name: newest_tools
-- The newest version of each tool. Served by test_tool_is_unique.
select distinct on (t.subject, t.language, t.number) t.id, t.subject::text as subject, t.number, t.language, t.version, t.content
from test_tool t
where (t.subject = %(subject)s::subject or %(subject)s is null)
    and (t.language = %(language)s or %(language)s is null)
order by t.subject, t.language, t.number, t.version desc
limit %(rows)s

-- name: find_tool
-- One version of a tool. Served by the primary key.
select t.id, t.subject::text as subject, t.number, t.language, t.version, t.content
from test_tool t
where t.id = %(tool_id)s

-- name: list_tool_versions
-- The versions of one tool, the newest first. Served by test_tool_is_unique.
select t.id, t.version, t.published_at
from test_tool t
where t.subject = %(subject)s::subject and t.language = %(language)s and t.number = %(number)s
order by t.version desc
limit %(rows)s

-- name: insert_tool
-- Adds a version of a tool; one that is there already is never changed (test_tool_is_unique, trigger test_tools_are_kept).
insert into test_tool (subject, number, language, version, content)
values (%(subject)s::subject, %(number)s, %(language)s, %(version)s, %(content)s::jsonb)
returning id
