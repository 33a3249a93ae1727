-- What the service levels were, every five minutes for thirty days: at most 8,641 rows, swept by the clean-up.
create table reading_history (
    at timestamptz primary key,
    worst text not null,
    connections integer,
    memory_bytes bigint,
    query_p95_s double precision,
    rate_limit_rows bigint,
    cache_hit_rate double precision
);
