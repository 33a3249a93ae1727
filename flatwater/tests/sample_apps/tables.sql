-- The sample applications' tables: twenty authors, fifteen hundred notes.
drop schema if exists sample cascade;
create schema sample;
create table sample.author (id bigint primary key, name text not null);
create table sample.note (
    id bigint primary key,
    author_id bigint not null references sample.author,
    words text not null
);
create index note_by_author on sample.note (author_id);
insert into sample.author select n, 'author ' || n from generate_series(1, 20) n;
insert into sample.note select n, 1 + n % 20, repeat('word ', 20) from generate_series(1, 1500) n;
