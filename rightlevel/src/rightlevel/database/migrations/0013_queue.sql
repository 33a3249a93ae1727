-- The queue of re-tests in the order in which it is read, a page at a time: for whoever sees many schools.
create index verification_under_way on verification (round_id, id) where state in ('pending', 'disagreed', 'returned');
create index verification_settled on verification (round_id, id) where state in ('agreed', 'resolved');
