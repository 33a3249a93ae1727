-- name: pools
-- What PgBouncer's own console says of its pools: who waits, and for how long. The console has one form of this question.
show pools
