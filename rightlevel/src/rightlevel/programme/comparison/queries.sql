-- name: positions_of_schools
-- Where some schools are, those that say it. Served by the primary key.
select s.id, s.latitude, s.longitude
from school s
where s.id = any(%(ids)s::bigint[])
    and s.latitude is not null
order by s.id
limit 1000

-- name: middles_of_places
-- The middle of the open schools in and below some places, of those that say where they are. Served by place_by_lineage and school_by_place.
select u.id, avg(s.latitude) as latitude, avg(s.longitude) as longitude
from unnest(%(ids)s::bigint[]) u (id)
join place p on p.lineage @> array[u.id]
join school s on s.place_id = p.id
where s.deleted_at is null
    and s.status = 'open'
    and not s.is_practice
    and s.latitude is not null
group by u.id
order by u.id
limit 1000
