-- name: find_time_zone
-- The zone that was chosen and the country of the place tree: one row always. Served by setting's and place's primary keys.
select z.chosen, z.country
from programme_zone z
limit 1

-- name: save_time_zone
-- Keeps the chosen zone.
insert into setting (key, value) values ('time_zone', %(name)s::jsonb)
on conflict (key) do update set value = excluded.value, changed_at = now()

-- name: drop_time_zone
-- Takes the choice back: the country's zone holds again.
delete from setting
where key = 'time_zone'
