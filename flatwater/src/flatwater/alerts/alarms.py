"""When an alarm is raised, told again and cleared. Pure: judgements and the clock in, alerts out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal

import msgspec

from flatwater.baselines import SERVICE_LEVELS, Baseline, Judgement, Verdict
from flatwater.clock import Clock, SystemClock

Kind = Literal["raised", "worsened", "reminder", "cleared"]

RANKS: Final[dict[Verdict | None, int]] = {None: 0, "not_examined": 1, "warning": 2, "critical": 3}
"""How grave the verdict is that an alarm stands at."""


class Alert(msgspec.Struct, frozen=True):
    """One message about one service level."""

    name: str
    kind: Kind
    verdict: Verdict
    sentence: str
    at: datetime
    since_at: datetime


class Hysteresis(msgspec.Struct, frozen=True, kw_only=True):
    """How long something must be bad before it is told, and good before it is over. Judgements come every few seconds.

    *Source*: with a look every 15 s these defaults raise within 45 s, shorter than a person's patience, longer than a
    deployment's restart; the margin keeps a value that stands at its level from being told twice a minute.
    """

    raise_after: int = 3
    """So many bad judgements in a row …"""

    raise_after_s: float = 0.0
    """… which span at least this long."""

    blind_after: int = 10
    """So many looks in a row that saw nothing, at a level that was seen before."""

    clear_after: int = 4
    """So many good judgements in a row, better than the warning level by the margin."""

    margin: float = 0.1
    remind_every_s: float = 3600.0

    def __post_init__(self) -> None:
        if min(self.raise_after, self.blind_after, self.clear_after) < 1:
            raise ValueError("an alarm is raised and cleared after at least one judgement")
        if self.raise_after_s < 0 or not 0 <= self.margin < 1 or self.remind_every_s <= 0:
            raise ValueError("times are not negative and the margin is a part of the level")


class _Alarm:
    """Where one service level stands. Bounded: a few numbers."""

    __slots__ = ("bad", "bad_since_s", "blind", "critical", "good", "level", "seen", "since_at", "told_s")

    def __init__(self, now: datetime) -> None:
        self.level: Verdict | None = None
        self.since_at = now
        self.bad_since_s = 0.0
        self.told_s = 0.0
        self.bad = self.critical = self.blind = self.good = 0
        self.seen = False

    def count(self, judgement: Judgement, *, is_clear: bool, monotonic_s: float) -> None:
        """Takes one judgement into the rows of good, bad and blind ones."""
        if judgement.verdict == "not_examined":
            # Looking away neither confirms a suspicion nor clears it.
            self.blind += 1
            self.good = 0
            return
        self.seen, self.blind = True, 0
        if judgement.verdict in ("warning", "critical"):
            if self.bad == 0:
                self.bad_since_s = monotonic_s
            self.bad += 1
            self.critical = self.critical + 1 if judgement.verdict == "critical" else 0
            self.good = 0
        else:
            self.bad = self.critical = 0
            self.good = self.good + 1 if is_clear else 0


class Alarms:
    """What is to be told of a row of judgements, one set of them after another.

    An alarm keeps its gravest verdict until it is cleared, so a value that swings about its critical level is told once.
    """

    def __init__(
        self,
        baselines: Iterable[Baseline] = SERVICE_LEVELS,
        *,
        hysteresis: Hysteresis | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._hysteresis = hysteresis or Hysteresis()
        self._baselines = {baseline.name: baseline for baseline in baselines}
        now = self._clock.now()
        self._alarms = {name: _Alarm(now) for name in self._baselines}

    def remind(self) -> None:
        """Has every alarm that is raised told again at the next look: for whoever goes on telling where another ended."""
        for alarm in self._alarms.values():
            alarm.told_s = float("-inf")

    def standing(self) -> dict[str, Verdict]:
        """The alarms that are raised now, with their verdicts."""
        return {name: alarm.level for name, alarm in self._alarms.items() if alarm.level is not None}

    def consider(self, judgements: Iterable[Judgement]) -> tuple[Alert, ...]:
        """What to tell after this look. *Errors*: KeyError for a judgement of none of the baselines."""
        alerts = (self._consider(judgement) for judgement in judgements)
        return tuple(alert for alert in alerts if alert is not None)

    def _consider(self, judgement: Judgement) -> Alert | None:
        alarm, baseline = self._alarms[judgement.name], self._baselines[judgement.name]
        now_s = self._clock.monotonic()
        # The margin is for a value that stands at its level; one that was out of sight need only be seen again.
        is_clear = judgement.value is not None and (
            alarm.level == "not_examined"
            or baseline.is_clear_of_warning(judgement.value, margin=self._hysteresis.margin)
        )
        alarm.count(judgement, is_clear=is_clear, monotonic_s=now_s)
        reached = self._reached(alarm, now_s)
        if RANKS[reached] > RANKS[alarm.level]:
            kind: Kind = "raised" if alarm.level is None else "worsened"
            if alarm.level is None:
                alarm.since_at = self._clock.now()
            alarm.level, alarm.told_s = reached, now_s
            return self._alert(judgement, alarm, kind)
        if alarm.level is None:
            return None
        if alarm.good >= self._hysteresis.clear_after:
            alarm.level = None
            return self._alert(judgement, alarm, "cleared")
        if now_s - alarm.told_s >= self._hysteresis.remind_every_s:
            alarm.told_s = now_s
            return self._alert(judgement, alarm, "reminder")
        return None

    def _reached(self, alarm: _Alarm, now_s: float) -> Verdict | None:
        """The verdict that has lasted long enough to be told."""
        rules = self._hysteresis
        if alarm.bad >= rules.raise_after and now_s - alarm.bad_since_s >= rules.raise_after_s:
            return "critical" if alarm.critical >= rules.raise_after else "warning"
        return "not_examined" if alarm.seen and alarm.blind >= rules.blind_after else None

    def _alert(self, judgement: Judgement, alarm: _Alarm, kind: Kind) -> Alert:
        verdict = judgement.verdict if alarm.level is None else alarm.level
        return Alert(
            name=judgement.name,
            kind=kind,
            verdict=verdict,
            sentence=judgement.sentence,
            at=self._clock.now(),
            since_at=alarm.since_at,
        )
