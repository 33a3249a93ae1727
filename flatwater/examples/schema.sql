-- The notes of the three example services.
create table if not exists example_note (
    id bigint generated always as identity primary key,
    words text not null
);
