-- name: claim_write
-- Takes the id for this transaction; a second taker waits for the first and then takes nothing. Served by the primary key.
insert into write_receipt (write_id, person_id, operation)
values (%(write_id)s::uuid, %(person_id)s, %(operation)s)
on conflict (write_id) do nothing

-- name: read_receipt
-- What the write was answered. Served by the primary key.
select person_id, operation, answer
from write_receipt
where write_id = %(write_id)s::uuid

-- name: keep_answer
-- Keeps the answer in the write's own transaction.
update write_receipt
set answer = %(answer)s::jsonb
where write_id = %(write_id)s::uuid
