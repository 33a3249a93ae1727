-- Re-tests that there are already: where their children are, and those whose result has another level by now (the new state can be used only
-- after the step that made it). There are some thousands a round.
update verification v
set child_school_id = st.school_id
from result r
join student st on st.id = r.student_id
where r.id = v.result_id;
alter table verification alter column child_school_id set not null;

update verification v
set ended_from = v.state, state = 'ended', ended_at = now(), ended_why = case when r.deleted_at is not null then 'removed' else 'changed' end,
    version = v.version + 1
from result r
where r.id = v.result_id
    and (r.deleted_at is not null and v.state <> 'withdrawn'
        or v.state in ('agreed', 'disagreed') and r.rank is distinct from v.first_rank
        or v.state = 'resolved' and r.rank is distinct from case v.stands when 'second' then v.rank else v.first_rank end);
update result r
set is_verified = false
where r.is_verified and r.deleted_at is null
    and exists (select 1 from verification v where v.result_id = r.id and v.ended_why = 'changed')
    and not exists (select 1 from verification v where v.result_id = r.id and v.state in ('agreed', 'resolved'));
