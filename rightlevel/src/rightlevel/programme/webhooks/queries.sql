-- fragment: webhook
-- A webhook, with whoever made it as p. Its two counts are served by webhook_delivery_by_webhook.
    w.id, w.name, w.url, w.events, w.is_on, w.version, w.created_at, p.display_name as created_by,
    (select count(*)::integer from (
        select from webhook_delivery d where d.webhook_id = w.id and d.state = 'waiting' limit 1000) few) as waiting,
    (select count(*)::integer from (
        select from webhook_delivery d where d.webhook_id = w.id and d.state = 'dead' limit 1000) few) as dead

-- fragment: delivery
-- A delivery.
    d.id, d.webhook_id, d.message_id::text as message_id, d.event, d.body, d.made_at, d.state, d.attempts, d.next_at, d.ended_at, d.status, d.error

-- name: list_webhooks
-- Webhooks in the order in which they were made; at most twenty. Served by the primary key and webhook_delivery_by_webhook.
select
--> webhook
from webhook w
join person p on p.id = w.created_by
where (w.id > %(after_id)s::bigint or %(after_id)s::bigint is null)
order by w.id
limit %(rows)s

-- name: read_webhook
-- One webhook. Served by the primary key and webhook_delivery_by_webhook.
select
--> webhook
from webhook w
join person p on p.id = w.created_by
where w.id = %(webhook_id)s
--? for_update: for update of w

-- name: count_webhooks
-- How many there are, counted by one writer at a time. Reads the table, twenty rows at most.
select count(*)
from webhook, (select pg_advisory_xact_lock(hashtextextended('rightlevel.webhooks', 0))) held

-- name: insert_webhook
-- Adds a webhook; its secret comes once its id is known.
insert into webhook (name, url, events, secret, created_at, created_by)
values (%(name)s, %(url)s, %(events)s::text[], ''::bytea, %(now)s, %(person_id)s)
returning id

-- name: keep_secret
-- Keeps a webhook's secret, sealed; the one before signs beside it for a while. Served by the primary key.
update webhook
set secret_before = nullif(secret, ''::bytea), secret_before_until = %(until)s, secret = %(secret)s, version = version + %(versions)s
where id = %(webhook_id)s

-- name: change_webhook
-- Changes a webhook; no row when it is another version by now. Served by the primary key.
update webhook
set name = %(name)s, url = %(url)s, events = %(events)s::text[], is_on = %(is_on)s, version = version + 1
where id = %(webhook_id)s and version = %(version)s

-- name: delete_webhook
-- Takes a webhook away with all that waits for it. Served by the primary key and webhook_delivery_by_webhook.
delete from webhook where id = %(webhook_id)s

-- name: tell
-- Writes down what each webhook that asked for it is to be told; nothing where none did. What finds a thousand waiting is kept as dead. Reads the
-- twenty webhooks; served by webhook_delivery_waiting. Who takes one away meanwhile is waited for, or waits.
insert into webhook_delivery (webhook_id, event, body, made_at, state, next_at, until_at, ended_at, error)
select w.id, %(event)s, b.body, %(now)s, case when q.is_full then 'dead' else 'waiting' end, %(now)s, %(until)s,
    case when q.is_full then %(now)s::timestamptz end, case when q.is_full then 'Too many wait already.' end
from (select id from webhook where is_on and %(event)s = any(events) order by id limit 20 for key share) w
cross join lateral (
    select count(*) >= %(most)s as is_full
    from (select from webhook_delivery d where d.webhook_id = w.id and d.state = 'waiting' limit %(most)s) few) q
cross join unnest(%(bodies)s::text[]) b (body)

-- name: tell_one
-- Writes down what one webhook is told to try it.
insert into webhook_delivery (webhook_id, event, body, made_at, state, next_at, until_at)
values (%(webhook_id)s, %(event)s, %(body)s, %(now)s, 'waiting', %(now)s, %(until)s)
returning id

-- name: list_deliveries
-- Deliveries of a webhook, the latest first. Served by webhook_delivery_by_webhook, three ways at most.
--! plan each time
select
--> delivery
from webhook_delivery d
where d.webhook_id = %(webhook_id)s
    and (d.state = %(state)s or %(state)s is null)
    and (d.id < %(after_id)s::bigint or %(after_id)s::bigint is null)
order by d.id desc
limit %(rows)s

-- name: read_delivery
-- One delivery. Served by the primary key.
select
--> delivery
from webhook_delivery d
where d.id = %(delivery_id)s

-- name: send_again
-- Has a dead delivery tried again, for a day. Served by the primary key.
update webhook_delivery
set state = 'waiting', attempts = 0, next_at = %(now)s, until_at = %(until)s, ended_at = null
where id = %(delivery_id)s and state = 'dead'

-- name: send_all_again
-- Has the dead deliveries of a webhook tried again, the oldest first, as many as may wait. Served by webhook_delivery_by_webhook.
update webhook_delivery
set state = 'waiting', attempts = 0, next_at = %(now)s, until_at = %(until)s, ended_at = null
where id in (
    select d.id
    from webhook_delivery d
    where d.webhook_id = %(webhook_id)s and d.state = 'dead'
    order by d.id
    limit greatest(0, %(most)s - (
        select count(*) from webhook_delivery q where q.webhook_id = %(webhook_id)s and q.state = 'waiting')))

-- name: due_webhooks
-- The webhooks with something to be sent by now; at most twenty. Served by webhook_delivery_waiting.
select w.id
from webhook w
where exists (
    select from webhook_delivery d
    where d.webhook_id = w.id and d.state = 'waiting' and d.next_at <= %(now)s and (w.is_on or d.event = %(test)s))
order by w.id
limit 20

-- name: claim_delivery
-- Takes what is due first of a webhook to be sent: whoever else looks finds it not due until the lease is over, so that what a dead process took is
-- sent again. Served by webhook_delivery_waiting.
update webhook_delivery d
set attempts = d.attempts + 1, next_at = %(leased_until)s
from webhook w
where w.id = %(webhook_id)s and d.id = (
        select c.id
        from webhook_delivery c
        where c.webhook_id = %(webhook_id)s and c.state = 'waiting' and c.next_at <= %(now)s and (w.is_on or c.event = %(test)s)
        order by c.next_at, c.id
        limit 1
        for update skip locked)
returning d.id, d.message_id::text as message_id, d.body, d.attempts, d.next_at as leased_until, d.until_at, w.id as webhook_id, w.url, w.secret,
    case when w.secret_before_until > %(now)s then w.secret_before end as secret_before

-- name: settle_delivery
-- Says what became of a try; nothing where it was tried again since, or taken away. Tries are counted anew where somebody has it sent again, so a
-- try is known by its lease too. Served by the primary key.
update webhook_delivery
set state = %(state)s, next_at = %(next_at)s, ended_at = %(ended_at)s, status = %(status)s, error = %(error)s
where id = %(delivery_id)s and state = 'waiting' and attempts = %(attempts)s and next_at = %(leased_until)s

-- name: listens_for
-- Whether any webhook asks for an event. Reads the table, twenty rows at most.
select exists (select from webhook where is_on and %(event)s = any(events)) as listens

-- name: forget_incomplete
-- Forgets that schools were told to be complete in a round: they no longer are, and are told again when they are. Served by the primary key.
delete from school_told
where round_id = %(round_id)s and school_id = any(%(school_ids)s::bigint[])

-- name: open_rounds
-- The rounds that are open. Bounded by three a year.
select r.id, r.kind::text as kind, y.name as year_name
from round r
join school_year y on y.id = r.school_year_id
where r.state = 'open' and r.deleted_at is null
order by r.id
limit 20

-- name: forget_told
-- What was told of rounds that are no longer open. Served by school_told's primary key, which holds open rounds' schools alone.
delete from school_told t
using round r
where r.id = t.round_id and (r.state <> 'open' or r.deleted_at is not null)

-- name: standing_of_schools
-- Of the next schools in the order of their ids, how many sit in a round and how many have a result in each subject, and whether that was told to be
-- whole. Served by school's primary key and those of the counts.
with next_schools as materialized (
    select s.id, s.code, s.is_practice or s.deleted_at is not null as counts_not
    from school s
    where s.id > %(after_id)s
    order by s.id
    limit %(schools)s
), seats as (
    select k.school_id, k.subject, sum(k.children) as enrolled, 0::bigint as results
    from school_roll k
    where k.school_id in (select id from next_schools) and k.round_id = %(round_id)s
    group by k.school_id, k.subject
    union all
    select e.school_id, u.subject, sum(e.children), 0
    from school_enrolled e
    join round r on r.id = %(round_id)s and r.school_year_id = e.school_year_id and r.roll_number is null
    cross join unnest(enum_range(null::subject)) u (subject)
    where e.school_id in (select id from next_schools)
    group by e.school_id, u.subject
    union all
    select c.school_id, c.subject, 0, sum(c.absent + c.refused + c.went + c.rank_1 + c.rank_2 + c.rank_3 + c.rank_4 + c.rank_5 + c.rank_6 + c.rank_7
        + c.rank_8 + c.rank_9)
    from school_count c
    where c.school_id in (select id from next_schools) and c.round_id = %(round_id)s
    group by c.school_id, c.subject
), summed as (
    select school_id, subject, sum(enrolled)::bigint as enrolled, sum(results)::bigint as results
    from seats
    group by school_id, subject
), judged as (
    select school_id, max(enrolled) as enrolled, bool_and(results >= enrolled) and max(enrolled) > 0 as is_complete
    from summed
    group by school_id
)
select n.id, n.code, coalesce(j.enrolled, 0)::bigint as enrolled, coalesce(j.is_complete, false) and not n.counts_not as is_complete,
    t.school_id is not null as is_told
from next_schools n
left join judged j on j.school_id = n.id
left join school_told t on t.school_id = n.id and t.round_id = %(round_id)s
order by n.id

-- name: keep_told
-- Notes that schools were told to be complete in a round; those that are new to it. Served by the primary key.
insert into school_told (round_id, school_id, told_at)
select %(round_id)s, u.id, %(now)s
from unnest(%(school_ids)s::bigint[]) u (id)
on conflict do nothing
returning school_id
