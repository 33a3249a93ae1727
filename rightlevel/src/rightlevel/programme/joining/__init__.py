"""Joining: anybody asks, a coordinator approves (and assigns) or declines. Nobody signs up into a role.

Public: `ask_to_join`, `list_requests`, `read_request`, `count_open`, `approve_request`, `decline_request`.
"""

from rightlevel.programme.joining.actions import (
    approve_request,
    ask_to_join,
    count_open,
    decline_request,
    list_requests,
    read_request,
)
from rightlevel.programme.joining.model import Approval, JoinRequest, NewJoinRequest, TooManyRequests

__all__ = [
    "Approval",
    "JoinRequest",
    "NewJoinRequest",
    "TooManyRequests",
    "approve_request",
    "ask_to_join",
    "count_open",
    "decline_request",
    "list_requests",
    "read_request",
]
