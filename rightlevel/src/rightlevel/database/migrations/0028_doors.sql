-- Attempts are counted by account, by address and by the two together; a device on which somebody signed in before is theirs.
alter table sign_in_failure drop constraint sign_in_failure_kind_is_known;
alter table sign_in_failure add constraint sign_in_failure_kind_is_known
    check (kind in ('account', 'address', 'pair', 'factor', 'pin', 'pin_pair', 'device', 'link', 'code', 'password'));

create index sign_in_failure_of_pins on sign_in_failure (split_part(subject, ' ', 2)) where kind = 'pin_pair';

-- On which devices a person signed in: at most 20 a person (accounts/entry). The device's name is signed and says nothing of anybody.
create table known_device (
    person_id bigint not null references person,
    device text not null constraint known_device_name_is_short check (length(device) between 1 and 60),
    last_used_at timestamptz not null,
    primary key (person_id, device)
);

-- A code of 39 bits that others' wrong guesses use up would lock its owner out; what one address may guess is bounded apart.
alter table one_time_code drop constraint one_time_code_attempts_are_few;
alter table one_time_code add constraint one_time_code_attempts_are_few check (attempts_left between 0 and 1000);

-- Of whom a password comes: the role of whoever gave it or the code it was chosen with; none is the command line. Whoever rises above
-- that role has it ended, for somebody below may still know it.
alter table person add column password_from role;
update person
set password_from = case when role in ('admin', 'coordinator') then 'admin'::role else 'coordinator'::role end
where password_hash is not null;

-- Receipts kept what is shown once. That it was done is all that repeating needs.
update write_receipt
set answer = answer || '{"content": "", "is_gone": true}'::jsonb
where answer is not null and split_part(operation, ' ', 1) in ('create_my_token', 'make_device_code', 'create_own_token', 'invite_device', 'make_calendar_here',
    'begin_factor');
