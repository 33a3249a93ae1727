-- The public page, and schools drawn at random into two ways of working.

-- What the public page tells of a frozen round: made once, of one moment, of what may be told and nothing else. What is corrected in the round later
-- changes nothing here, so that no two publications differ by a child.
create table publication (
    round_id bigint primary key references round,
    published_at timestamptz not null,
    published_by bigint not null references person,
    is_shown boolean not null
);

-- A place as it stood when the round was published; 0 is everywhere.
create table published_place (
    round_id bigint not null references publication,
    place_id bigint not null,
    parent_id bigint,
    depth smallint not null constraint published_place_is_not_deep check (depth between 0 and 4),
    code text not null,
    name_local text not null,
    name_latin text not null,
    primary key (round_id, place_id)
);
create index published_place_by_parent on published_place (round_id, parent_id, lower(name_local), place_id);

-- The numbers of a place by grade and sex (0: all): null is withheld. No number is of one to nine children, whoever writes it.
create table published_figure (
    round_id bigint not null,
    place_id bigint not null,
    subject subject not null,
    grade smallint not null,
    sex smallint not null,
    enrolled bigint not null constraint published_enrolled_is_not_few check (enrolled = 0 or enrolled >= 10),
    assessed bigint constraint published_assessed_is_not_few check (assessed = 0 or assessed >= 10),
    bands bigint[] constraint published_bands_are_not_few check (not bands && '{1,2,3,4,5,6,7,8,9}'),
    levels bigint[] constraint published_levels_are_not_few check (not levels && '{1,2,3,4,5,6,7,8,9}'),
    primary key (round_id, place_id, subject, grade, sex),
    constraint published_figure_place_is_published foreign key (round_id, place_id) references published_place
);

-- How far an open round had come at the last look on each day, in the whole country: what a forecast of its end goes by.
create table round_day (
    round_id bigint not null references round,
    subject subject not null,
    day date not null,
    with_result bigint not null,
    enrolled bigint not null,
    primary key (round_id, subject, day)
);

-- Schools drawn at random into two ways of working, and with which seed: kept as it was drawn, never drawn again.
create table trial (
    id bigint generated always as identity primary key,
    name text not null constraint trial_name_is_short check (length(name) between 1 and 200),
    way_a text not null constraint trial_way_a_is_short check (length(way_a) between 1 and 100),
    way_b text not null constraint trial_way_b_is_short check (length(way_b) between 1 and 100),
    place_id bigint references place,
    strata_depth smallint not null constraint trial_strata_are_places check (strata_depth between 0 and 4),
    seed bigint not null,
    drawn_at timestamptz not null,
    drawn_by bigint not null references person,
    constraint trial_ways_differ check (lower(way_a) <> lower(way_b))
);

-- Each school of it, its stratum (a place's id, 0: one for all), and which way it works: the first (a) or the second (b).
create table trial_school (
    trial_id bigint not null references trial,
    school_id bigint not null references school,
    stratum_id bigint not null,
    is_b boolean not null,
    primary key (trial_id, school_id)
);
create index trial_school_by_school on trial_school (school_id);
