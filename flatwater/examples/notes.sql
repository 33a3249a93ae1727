-- name: list_notes
-- Notes in order, after one of them. Served by the primary key.
select id, words from example_note where id > %(after)s order by id limit %(rows)s

-- name: add_note
-- Adds a note.
insert into example_note (words) values (%(words)s) returning id, words

-- name: sleep
-- Takes so many seconds.
select pg_sleep(%(seconds)s)::text
