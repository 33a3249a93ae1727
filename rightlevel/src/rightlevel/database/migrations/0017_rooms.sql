-- The programme's time zone ------------------------------------------------------------------------------------------------

-- In which zone the programme's days are: the one that was chosen (setting `time_zone`, an IANA name), and the code of the country of the
-- place tree, whose zone it is as long as none was chosen (programme/time_zone/model.py). One row.
create view programme_zone as
    select
        (select s.value #>> '{}' from setting s where s.key = 'time_zone') as chosen,
        (select p.code from place p where p.parent_id is null and p.deleted_at is null order by p.id limit 1) as country;

-- A day is the programme's and comes with the statement: the server's own day is another one for hours.
alter table assignment alter column from_on drop default;
