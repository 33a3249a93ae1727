-- name: open_rounds
-- The rounds that are open. Bounded by three rounds a year.
select id
from round
where state = 'open' and deleted_at is null
order by id
limit 60

-- name: note_day
-- How far a round is on a day; a later look on the same day says more. Served by round_day's primary key.
insert into round_day (round_id, subject, day, with_result, enrolled)
values (%(round_id)s, %(subject)s::subject, %(day)s, %(with_result)s, %(enrolled)s)
on conflict (round_id, subject, day) do update set with_result = excluded.with_result, enrolled = excluded.enrolled
where (round_day.with_result, round_day.enrolled) is distinct from (excluded.with_result, excluded.enrolled)

-- name: days_of_round
-- How far a round was on each day, the last days of it. Served by round_day's primary key.
select d.day, d.with_result
from (
    select day, with_result
    from round_day
    where round_id = %(round_id)s and subject = %(subject)s::subject
    order by day desc
    limit %(rows)s) d
order by d.day
