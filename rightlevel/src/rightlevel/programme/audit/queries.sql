-- name: write_audit
-- Adds one row; goes with the transaction of the deed.
insert into audit_entry (person_id, role, action, resource, resource_id, outcome, before, after, reason, address)
values (%(person_id)s, %(role)s, %(action)s, %(resource)s, %(resource_id)s, %(outcome)s,
    %(before)s::jsonb, %(after)s::jsonb, %(reason)s, %(address)s)

-- name: list_audit
-- The newest entries first, after a given one. Served by the primary key, audit_entry_by_person and audit_entry_by_resource.
select a.id, a.at, p.username, a.role, a.action, a.resource, a.resource_id, a.outcome, a.before, a.after, a.reason, a.address
from audit_entry a
left join person p on p.id = a.person_id
where true
--? after: and a.id < %(after)s
--? by_person: and a.person_id = %(person_id)s
--? by_resource: and a.resource = %(resource)s
--? by_resource_id: and a.resource_id = %(resource_id)s
--? by_outcome: and a.outcome = %(outcome)s
--? by_username: and a.person_id = any(array(select u.id from person u where u.username = %(username)s limit 50))
--? by_action: and a.action = %(action)s
--? since: and a.at >= %(since)s
--? until: and a.at < %(until)s
--? by_text: and concat_ws(' ', a.action, a.resource, a.resource_id, p.username, p.display_name, a.reason, a.address, a.before::text, a.after::text)
--? by_text:     ilike %(text)s
order by a.id desc
limit %(rows)s
