-- Phones on which somebody keeps work, to be ended from afar. The id is made on the phone and known to it and us; 20 a person, the one
-- unseen longest goes for the 21st. An ended phone takes its owner's children away at its next connection, and its session is over.
create table person_phone (
    id uuid primary key,
    person_id bigint not null references person,
    label text not null default '' constraint person_phone_label_is_short check (length(label) <= 200),
    session_id uuid,
    kept_at timestamptz not null,
    last_seen_at timestamptz not null,
    ended_at timestamptz
);
create index person_phone_by_person on person_phone (person_id, last_seen_at desc, id desc);
