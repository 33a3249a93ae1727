-- name: schema_number
-- The newest migration applied. Served by the primary key.
select max(number) as number
from schema_migration
