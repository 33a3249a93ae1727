-- A form that came when the session had ended, kept for whoever it was made for until they have signed in again. Sealed with a secret
-- that only their browser holds; half an hour, three of a person, swept with the sessions.
create table held_form (
    secret_hash bytea primary key constraint held_form_hash_is_sha256 check (length(secret_hash) = 32),
    person_id bigint not null references person,
    content bytea not null constraint held_form_is_small check (length(content) <= 300000),
    expires_at timestamptz not null
);
create index held_form_by_person on held_form (person_id, expires_at);
create index held_form_by_expiry on held_form (expires_at);
