-- The open schools that have children in a round's year and no result in it yet; none of a round that is not open. Practice schools are in no figure.
create function schools_untested(wanted_round bigint) returns table (id bigint) language sql stable parallel safe as $$
    select s.id
    from round rd
    join school s on s.deleted_at is null and s.status = 'open' and not s.is_practice
    where rd.id = wanted_round and rd.state = 'open'
        and exists (select from school_standing e where e.school_id = s.id and e.school_year_id = rd.school_year_id and e.children > 0)
        and not exists (
            select from school_count c
            where c.school_id = s.id and c.round_id = rd.id
                and c.absent + c.refused + c.went + c.rank_1 + c.rank_2 + c.rank_3 + c.rank_4 + c.rank_5 + c.rank_6 + c.rank_7 + c.rank_8 + c.rank_9 > 0)
$$;
