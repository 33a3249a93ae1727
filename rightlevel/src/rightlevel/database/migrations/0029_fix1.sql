-- A division that was replaced says on which day of the programme, which an instant alone does not tell. Of those replaced before this
-- step the day in UTC is the best that is known.
alter table grouping add column replaced_on date;
update grouping gr
set replaced_on = coalesce((
    select max(m.left_at)
    from teaching_group g
    join group_member m on m.group_id = g.id
    where g.grouping_id = gr.id), gr.accepted_at)::date
where gr.state = 'replaced';

-- Who is in a group. Of one in use: its children who are taught at its school, and, where a year is asked for, who were in that year and went since. Of
-- one that was replaced: who was in it then, wherever they are now. Served by group_member_by_group, grouping_by_school and
-- past_enrolment_by_student.
create or replace function members_of_group(of_group bigint, in_year bigint) returns setof uuid language sql stable as $$
    select m.student_id
    from teaching_group g
    join grouping gr on gr.id = g.grouping_id
    join group_member m on m.group_id = g.id
    join student st on st.id = m.student_id and st.deleted_at is null
    where g.id = of_group and case
        when gr.state = 'replaced' then m.joined_at is not null and m.left_at = (
            select max(o.left_at)
            from teaching_group og
            join group_member o on o.group_id = og.id
            where og.grouping_id = gr.id)
            and ((st.status = 'active' and st.school_id = gr.school_id) or exists (
                select 1 from past_enrolment p
                where p.student_id = st.id and p.school_id = gr.school_id and p.until_on > gr.replaced_on and not p.is_aside))
        else m.left_at is null and (
            (st.status = 'active' and st.school_id = gr.school_id)
            or (m.joined_at is not null and exists (
                select 1 from past_enrolment p
                where p.student_id = st.id and p.school_id = gr.school_id and p.school_year_id = in_year and not p.is_aside)))
            and (in_year is null or m.joined_at is null or m.joined_at < (
                select y.ends_on + interval '2 days' from school_year y where y.id = in_year))
        end
$$;
