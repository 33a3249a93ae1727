"""The rules of the static audit, one file each; each says why it is there and shows a bad and a good example."""

from __future__ import annotations

from typing import Final

from flatwater.audit.rule import Rule
from flatwater.audit.rules import (
    blocking_in_async,
    cached_authorisation,
    client_per_request,
    connection_held,
    connection_not_returned,
    does_everything,
    exception_kept,
    fetch_before_use,
    file_in_async,
    growing_container,
    label_from_input,
    network_in_transaction,
    no_time_limit,
    offset_paging,
    query_per_row,
    query_without_limit,
    registered_per_request,
    response_built_whole,
    scheduled_work,
    secret_compared,
    select_star,
    transaction_without_deadline,
    unbounded_cache,
    unbounded_queue,
    unowned_task,
    unpaged_list,
    unwatched_listener,
    whole_upload,
)

RULES: Final[tuple[Rule, ...]] = (
    blocking_in_async.RULE,
    cached_authorisation.RULE,
    client_per_request.RULE,
    connection_held.RULE,
    connection_not_returned.RULE,
    does_everything.RULE,
    exception_kept.RULE,
    fetch_before_use.RULE,
    file_in_async.RULE,
    growing_container.RULE,
    label_from_input.RULE,
    network_in_transaction.RULE,
    no_time_limit.RULE,
    offset_paging.RULE,
    query_per_row.RULE,
    query_without_limit.RULE,
    registered_per_request.RULE,
    response_built_whole.RULE,
    scheduled_work.RULE,
    secret_compared.RULE,
    select_star.RULE,
    transaction_without_deadline.RULE,
    unbounded_cache.RULE,
    unbounded_queue.RULE,
    unowned_task.RULE,
    unpaged_list.RULE,
    unwatched_listener.RULE,
    whole_upload.RULE,
)
"""All of them, by name."""
