"""Three doctors at one sick server: flatwater's, and what PgHero and pg-extras ask (see rivals/README.md).

Each trouble is made for real, all at once. What each doctor said is read by program: called trouble, shown without a verdict, or
not seen. The table is written to .work/doctors/table.md, what each said to .work/doctors/said.json.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from benchmarks.rivals.asking import PATIENCE_MS, Answer, ask
from benchmarks.sick import Sick
from benchmarks.work import Figure, fresh
from flatwater.doctor.processes import memory_of

IDLE_S = float(os.environ.get("DOCTORS_WAIT_S", "305"))
"""As long as the leaked connections rest before anybody looks: the doctor's level is 5 minutes."""
TIMES = 3
LEAST_IDLE_S = 61.0
"""Some of what is sick is so for a minute."""
LESS = 1
TINY = {"IDLE_S": 0.5, "LEAST_IDLE_S": 0.0, "TIMES": 1, "LESS": 50}
NAMED, SHOWN, UNSEEN, NOT_EXAMINED = "named", "shown", "not seen", "not examined"
RANK = {NAMED: 3, SHOWN: 2, NOT_EXAMINED: 1, UNSEEN: 0}
TOOLS = ("flatwater", "pghero", "pg_extras")


class Trouble(msgspec.Struct, frozen=True):
    """One trouble and where each doctor would tell of it: a finding's key; a query's name with what its row holds."""

    name: str
    key: str
    pghero: dict[str, str] = {}
    pg_extras: dict[str, str] = {}
    saw: str = ""
    """What the finding must tell, where its key is not enough."""


TROUBLES = (
    Trouble(
        "a session idle in its transaction",
        "connections/idle in transaction/shop/pay",
        {"long_running_queries": "idle in transaction", "live_queries": "idle in transaction"},
        {"long_running_queries": "count.* from queued"},
    ),
    Trouble(
        "twelve leaked connections of one application",
        "connections/shop$|diagnosis/leak",
        {"connection_sources": "'source': 'shop'"},
        {"connections": "'application_name': 'shop'"},
    ),
    Trouble("connections idle for over 5 minutes", "connections/idle/shop"),
    Trouble(
        "two writers wait for a forgotten transaction",
        "blocking/shop/pay",
        {"long_running_queries": "update counter", "live_queries": "update counter"},
        {"blocking": "update counter"},
    ),
    Trouble(
        "readers queue behind a change of a table that waits",
        "lock_queues/queued",
        {"live_queries": "alter table queued"},
        {"locks": "alter table queued"},
    ),
    Trouble(
        "a statement that runs for minutes",
        "long_statements/shop/statistics",
        {"long_running_queries": "statistics"},
        {"long_running_queries": "statistics"},
    ),
    Trouble(
        "a table ten times as large as its rows",
        "bloat/public.filled",
        {"space": "'filled'"},
        {"bloat": "'filled'", "bloat_figures": "'filled'"},
    ),
    Trouble(
        "an index that lost 99 of 100 rows (over 100 MB)",
        "bloat/index public.visit_log_token",
        {"index_bloat": "visit_log_token", "space": "visit_log_token"},
        {"bloat": "visit_log_token", "index_size": "visit_log_token"},
    ),
    Trouble(
        "60,000 dead rows and no vacuum",
        "vacuum/late public.dead|bloat/dead rows of public.dead",
        {"maintenance": "'dead'"},
        {"vacuum_stats": "'dead'"},
    ),
    Trouble("autovacuum switched off for a table", "vacuum/off public.rested"),
    Trouble(
        "a table that was never analyzed", "stale_statistics/public.fresh", {"maintenance": "'fresh'"}, {}
    ),
    Trouble(
        "a large table read whole again and again",
        "missing_indexes/public.orders$",
        {"suggested_indexes": "'orders'"},
        {"seq_scans": "'orders'", "index_usage": "'orders'"},
    ),
    Trouble(
        "a foreign key without index, named the Rails way",
        "missing_indexes/public.orders.*customer_id",
        {},
        {"missing_fk_indexes": "customer_id"},
    ),
    Trouble(
        "a foreign key without index, named otherwise",
        "missing_indexes/public.orders.*buyer",
        {},
        {"missing_fk_indexes": "buyer"},
    ),
    Trouble(
        "a column that means another table, without a foreign key",
        "missing_keys/public.receipts.customer_id",
        {},
        {"missing_fk_constraints": "'receipts'.*customer_id"},
    ),
    Trouble(
        "the same index twice",
        "duplicate_indexes/public.receipts_customer(_again)?$",
        {"duplicate_indexes": "receipts_customer"},
        {"duplicate_indexes": "receipts_customer"},
    ),
    Trouble(
        "an index that another one begins with",
        "duplicate_indexes/public.receipts_covered",
        {"duplicate_indexes": "receipts_covered"},
        {"duplicate_indexes": "receipts_covered"},
    ),
    Trouble(
        "an index nobody reads (statistics some minutes old)",
        "unused_indexes/(public.orders_pad|not examined)",
        {"unused_indexes": "orders_pad"},
        {"unused_indexes": "orders_pad"},
    ),
    Trouble(
        "an index of nulls only", "null_indexes/public.orders_paid_on", {}, {"null_indexes": "orders_paid_on"}
    ),
    Trouble("an invalid index", "invalid_indexes/public.codes_once", {"invalid_indexes": "codes_once"}),
    Trouble(
        "a foreign key never proved",
        "invalid_indexes/rule public.receipts",
        {"invalid_constraints": "receipts_unproved"},
    ),
    Trouble(
        "a sequence near its column's end",
        "sequences_near_end/public.bills_id_seq",
        {"sequences": "bills_id_seq"},
    ),
    Trouble("a prepared transaction nobody came back for", "prepared_transactions/lost"),
    Trouble("a replication slot nobody reads", "wal_and_slots/slot gone", {"replication_slots": "gone"}),
    Trouble(
        "5,000,000 rate-limit rows",
        "unbounded_tables/public.rate_limit",
        {"space": "'rate_limit'"},
        {"records_rank": "'rate_limit'", "table_size": "'rate_limit'"},
    ),
    Trouble(
        "a table that doubles within minutes",
        "unbounded_tables/growing public.events",
        {"space": "'events'"},
        {"table_size": "'events'"},
    ),
    Trouble("an unlogged table", "unbounded_tables/unlogged public.baskets"),
    Trouble("a table everybody may write", "public_write_rights/public.leaflets"),
    Trouble("an application that is a superuser", "superuser_use/shop/boss"),
    Trouble("entrance without password", "trust_authentication/local all all trust"),
    Trouble("no time-outs", "timeouts_unset/boss"),
    Trouble(
        "work_mem x connections beyond the machine",
        "settings_for_memory/work_mem",
        {"tune": "'work_mem'"},
        {"db_settings": "'work_mem'"},
    ),
    Trouble(
        "random_page_cost as for spinning disks",
        "risky_settings/random_page_cost",
        {},
        {"settings_verdicts": "random_page_cost"},
    ),
    Trouble("fsync off", "risky_settings/fsync"),
    Trouble(
        "a cache that is too small",
        "cache_hit_ratio/tables",
        {"cache_hit_rate": "table_rate"},
        {"cache_hit": "table_rate"},
    ),
    Trouble("sorts that spill to disk", "temp_files/all"),
    Trouble(
        "a slow statement, called often",
        "slow_statements/",
        {"slow_queries": "pg_sleep.*customers", "queries": "pg_sleep.*customers"},
        {"outliers": "pg_sleep.*customers", "calls": "pg_sleep.*customers"},
        "pg_sleep.*customers",
    ),
)
LOUD = {"notice", "warning", "critical"}


class Run(msgspec.Struct):
    """One doctor's visit."""

    took_s: float
    statements: int
    backend_bytes: int
    process_bytes: int = 0
    process_own_bytes: int = 0
    findings: list[dict[str, Any]] = []
    answers: list[Answer] = []


def measure(say: Callable[[str], None]) -> list[Figure]:
    folder = fresh("doctors")
    sick = Sick(LESS)
    try:
        say("making a server sick")
        _fall_ill(sick, folder, say)
        say("first visit, while a change of a table waits")
        sick.queue_up()
        first = {tool: _visit(sick, tool, folder) for tool in TOOLS}
        sick.let_queue_go()
        say("the visits after it")
        later = {tool: [_visit(sick, tool, folder) for _ in range(TIMES)] for tool in TOOLS}
    finally:
        sick.remove()
    graded = {
        trouble.name: {tool: _best(trouble, tool, [first[tool], later[tool][0]]) for tool in TOOLS}
        for trouble in TROUBLES
    }
    (folder / "table.md").write_text(_table(graded))
    (folder / "said.json").write_bytes(
        msgspec.json.format(msgspec.json.encode({"first": first, "later": later}, enc_hook=str))
    )
    return _figures(graded, first, later)


def _fall_ill(sick: Sick, folder: Path, say: Callable[[str], None]) -> None:
    for tool in TOOLS:
        sick.at.execute(f"create role look_{tool} superuser login")  # type: ignore[arg-type]
    sick.lay_tables()
    sick.idle()
    rest_from = time.monotonic()
    _visit(sick, "flatwater", folder)  # growth and rates are told between two looks, so there is one before
    sick.work()
    sick.hold()
    left_s = max(IDLE_S - (time.monotonic() - rest_from), LEAST_IDLE_S)
    say(f"letting it rest for {left_s:.0f} s")
    time.sleep(left_s)


def _visit(sick: Sick, tool: str, folder: Path) -> Run:
    dsn = sick.database.replace("user=postgres", f"user=look_{tool}")
    before = _statements(sick, tool)
    run = Run(0.0, 0, 0)
    peak = _Peak(sick.database, f"look_{tool}")
    began = time.perf_counter()
    if tool == "flatwater":
        words = [
            str(Path(sys.executable).parent / "flatwater"),
            "doctor",
            dsn,
            "--application",
            "shop",
            "--json",
            "--snapshot",
            str(folder / "looks"),
        ]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        peak.also = process.pid
        said, _ = process.communicate(timeout=60)
        run.findings = json.loads(said)["findings"]
    else:
        run.answers = ask(tool, dsn)
    run.took_s = time.perf_counter() - began
    run.backend_bytes, run.process_bytes, run.process_own_bytes = peak.end()
    run.statements = _statements(sick, tool) - before
    return run


def _statements(sick: Sick, tool: str) -> int:
    if not sick.has_statements:
        return 0
    row = sick.at.execute(
        "select coalesce(sum(calls), 0)::int from pg_stat_statements where userid = %s::regrole",
        [f"look_{tool}"],
    ).fetchone()
    assert row is not None
    return row[0]


class _Peak:
    """The most that a role's session in the server held of its own, and a process of ours beside it (PSS)."""

    def __init__(self, conninfo: str, role: str) -> None:
        self.also = 0
        self._conninfo, self._role = conninfo, role
        self._backend = self._process = self._process_own = 0
        self._is_ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        with psycopg.connect(self._conninfo, autocommit=True, application_name="onlooker") as connection:
            while not self._is_ended.wait(0.01):
                found = connection.execute(
                    "select pid from pg_stat_activity where usename = %s", [self._role]
                ).fetchall()
                for (pid,) in found:
                    memory = memory_of(pid)
                    self._backend = max(self._backend, memory.own_bytes if memory else 0)
                memory = memory_of(self.also) if self.also else None
                if memory:
                    self._process = max(self._process, memory.pss_bytes)
                    self._process_own = max(self._process_own, memory.own_bytes)

    def end(self) -> tuple[int, int, int]:
        self._is_ended.set()
        self._thread.join()
        return self._backend, self._process, self._process_own


def _best(trouble: Trouble, tool: str, runs: list[Run]) -> str:
    judge = _by_doctor if tool == "flatwater" else _by_rival
    return max((judge(trouble, tool, run) for run in runs), key=lambda each: RANK[each])


def _by_doctor(trouble: Trouble, tool: str, run: Run) -> str:
    del tool
    told = [
        each["severity"]
        for each in run.findings
        if re.match(trouble.key, each["key"]) and re.search(trouble.saw, each["saw"])
    ]
    if LOUD.intersection(told):
        return NAMED
    return NOT_EXAMINED if "not_examined" in told else SHOWN if told else UNSEEN


def _by_rival(trouble: Trouble, tool: str, run: Run) -> str:
    places: dict[str, str] = getattr(trouble, tool)
    best = UNSEEN
    for answer in run.answers:
        wanted = places.get(answer.name)
        if wanted is None or not any(
            re.search(wanted, str(row), re.IGNORECASE | re.DOTALL) for row in answer.rows or ()
        ):
            continue
        best = max(best, NAMED if answer.is_verdict else SHOWN, key=lambda each: RANK[each])
    return best


def _table(graded: dict[str, dict[str, str]]) -> str:
    lines = ["| Trouble | flatwater doctor | PgHero | pg-extras |", "|---|---|---|---|"]
    for name, by_tool in graded.items():
        cells = [f"**{each}**" if each == NAMED else each for each in (by_tool[tool] for tool in TOOLS)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _figures(
    graded: dict[str, dict[str, str]], first: dict[str, Run], later: dict[str, list[Run]]
) -> list[Figure]:
    figures: list[Figure] = []
    for tool in TOOLS:
        counts = {word: sum(by[tool] == word for by in graded.values()) for word in RANK}
        beside = ", ".join(f"{counts[word]} {word}" for word in RANK if word != NAMED)
        figures.append(
            Figure(f"{tool}: troubles of {len(graded)} called by name", counts[NAMED], "", floor=beside)
        )
        middle = sorted(each.took_s for each in later[tool])[TIMES // 2]
        silent = [each.name for each in first[tool].answers if each.rows is None]
        waited = (
            f"{len(silent)} queries gave up after {PATIENCE_MS / 1000:.0f} s: {', '.join(silent)}"
            if silent
            else "all answered"
        )
        figures.append(
            Figure(
                f"{tool}: time",
                middle,
                "s",
                floor=f"median of {TIMES}"
                + ("; with the process's start" if tool == "flatwater" else "; the queries only"),
            )
        )
        figures.append(
            Figure(f"{tool}: time while a change of a table waits", first[tool].took_s, "s", floor=waited)
        )
        figures.append(Figure(f"{tool}: statements", later[tool][0].statements, ""))
        figures.append(
            Figure(
                f"{tool}: its session in the server, at most",
                max(each.backend_bytes for each in later[tool]) / 2**20,
                "MiB",
                floor="own memory",
            )
        )
    peak = max(later["flatwater"], key=lambda each: each.process_own_bytes)
    own_mb = peak.process_own_bytes / 1e6
    figures.append(
        Figure(
            "flatwater: its own process, at most",
            own_mb,
            "MB",
            "< 30",
            own_mb < 30,
            f"PSS, with its part of shared libraries: {peak.process_bytes / 1e6:.1f} MB",
        )
    )
    return figures
