"""Alarms that do not flutter: raised and cleared with hysteresis, told by log, webhook and e-mail, and never silently lost."""

from flatwater.alerts.alarms import Alarms, Alert, Hysteresis, Kind
from flatwater.alerts.channels import Channel, Email, Log, Secret, Undelivered, Webhook
from flatwater.alerts.delivery import ChannelStatistics, Delivery
from flatwater.alerts.watch import keep_watch, watch_once

__all__ = [
    "Alarms",
    "Alert",
    "Channel",
    "ChannelStatistics",
    "Delivery",
    "Email",
    "Hysteresis",
    "Kind",
    "Log",
    "Secret",
    "Undelivered",
    "Webhook",
    "keep_watch",
    "watch_once",
]
