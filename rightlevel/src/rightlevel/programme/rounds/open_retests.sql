-- name: count_open
-- How many re-tests of a round are open, practice schools apart; those of a removed result or child are ended (trigger result_ends_its_retests).
-- Served by verification_open, which alone is read, and school_practice.
select (count(*) filter (where v.state = 'pending'))::int as waiting, (count(*) filter (where v.state = 'disagreed'))::int as differ,
    (count(*) filter (where v.state = 'returned'))::int as returned
from verification v
where v.round_id = %(round_id)s and v.state in ('pending', 'disagreed', 'returned')
    and v.school_id not in (select s.id from school s where s.is_practice)
limit 1

-- name: end_waiting
-- Nobody is tested again in a frozen round. Served by verification_under_way; some thousands at most.
update verification
set ended_from = state, state = 'ended', ended_at = %(now)s, ended_why = 'frozen', version = version + 1
where round_id = %(round_id)s and state = 'pending'

-- name: take_back_returned
-- Teachers change nothing in a frozen round: what lies with them is to be decided again, by an amendment. Served by verification_under_way.
update verification
set state = 'disagreed', version = version + 1, reason = null, settled_at = null, settled_by = null
where round_id = %(round_id)s and state = 'returned'
