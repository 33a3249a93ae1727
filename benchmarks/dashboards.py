"""Dashboards: the country's page and its figures at 100,000 and at 10,000,000 results.

The results are put into the table by set-based SQL with the triggers on, so the aggregates are those of real writes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg

from benchmarks.load import Load, Outcome, Request, run_load
from benchmarks.work import Figure, generated, select_us, service, tokens_for
from rightlevel.database.server import AttachedServer, PrivateServer

FEW = 100_000
MANY = 10_000_000
RATIO = 1.5
LONGEST_TIMES = 100.0
"""Of a bare SELECT by key in the same run."""
REQUESTS = 1_500
ROWS_PER_STATEMENT = 100_000
LEAST_CHILDREN = 50_000
TINY = {"FEW": 500, "MANY": 1_000, "REQUESTS": 5, "LEAST_CHILDREN": 1_200}


def measure(say: Callable[[str], None]) -> list[Figure]:
    outcomes: dict[int, dict[str, Outcome]] = {}
    floor_ms = 0.0
    for wanted in (FEW, MANY):
        children = max(LEAST_CHILDREN, wanted // 6)
        with generated(max(12, children // 100), children, name=f"dashboards-{wanted}") as folder:
            fill(folder, wanted, say)
            tokens = tokens_for(folder, "coordinator", 3)
            with service(folder) as running:
                round_id = running.get("/api/v1/rounds?limit=1", tokens[2])["items"][0]["id"]
                paths = {
                    "figures": f"/api/v1/figures?round_id={round_id}&subject=math",
                    "page": f"/figures?round={round_id}&subject=math",
                }
                outcomes[wanted] = {
                    name: _ask(running.port, path, token)
                    for (name, path), token in zip(paths.items(), tokens, strict=False)
                }
                floor_ms = select_us(AttachedServer(folder).conninfo) / 1000
                for name, outcome in outcomes[wanted].items():
                    say(
                        f"{wanted:,} results, {name}: {outcome.p50_ms:.2f} ms, p99 {outcome.p99_ms:.2f} ms, {outcome.statuses}"
                    )
                    if set(outcome.statuses) != {"200"}:
                        raise RuntimeError(f"{name} answered {outcome.statuses}")
    found: list[Figure] = []
    for name, title in (("figures", "country's figures (API)"), ("page", "country's page")):
        few, many = outcomes[FEW][name], outcomes[MANY][name]
        ratio = many.p50_ms / few.p50_ms
        found += [
            Figure(
                f"{title} at 10,000,000, median",
                many.p50_ms,
                "ms",
                f"<= {LONGEST_TIMES:.0f} x a bare SELECT",
                many.p50_ms <= LONGEST_TIMES * floor_ms,
                f"{many.p50_ms / floor_ms:.0f} x a bare SELECT of {floor_ms:.3f} ms; at 100,000: {few.p50_ms:.2f} ms",
            ),
            Figure(f"{title}, 10,000,000 over 100,000", ratio, "x", f"<= {RATIO} x", ratio <= RATIO),
        ]
    return found


def _ask(port: int, path: str, token: str) -> Outcome:
    """One client, one request after the other, within one token's allowance."""
    requests = [Request("GET", path, {"Authorization": f"Bearer {token}"})] * REQUESTS
    return run_load(Load("127.0.0.1", port, [requests], 60.0, warm_s=0.0, repeat=False))


def fill(folder: Path, wanted: int, say: Callable[[str], None]) -> None:
    """Results until there are as many as wanted: children × rounds × subjects, levels spread by a fixed rule."""
    if (folder / "filled").exists():
        return
    server = PrivateServer(folder, 150_000_000)
    conninfo = server.start()
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("set synchronous_commit = off")
            _make_rounds(connection)
            rounds = connection.execute(
                "select id from round where deleted_at is null order by id"
            ).fetchall()
            person = connection.execute("select min(id) from person").fetchone()
            if person is None or person[0] is None:
                raise RuntimeError("the made-up programme has no person")
            done = connection.execute("select count(*) from result").fetchone()[0]  # type: ignore[index]
            after = {
                (round_id, subject): "00000000-0000-0000-0000-000000000000"
                for (round_id,) in rounds
                for subject in ("math", "language")
            }
            while done < wanted:
                for (round_id, subject), last in list(after.items()):
                    if done >= wanted or last is None:
                        continue
                    rows = min(ROWS_PER_STATEMENT, wanted - done)
                    after[round_id, subject] = _fill_some(
                        connection, round_id, subject, person[0], last, rows
                    )
                    done = (
                        connection.execute("select count(*) from result").fetchone()[0]
                        if wanted <= FEW
                        else done + rows
                    )  # type: ignore[index]
                say(f"{done:,} of {wanted:,} results")
                if all(last is None for last in after.values()):
                    raise RuntimeError(f"there are only {done:,} places for results")
            connection.execute("analyze result")
    finally:
        server.stop()
    (folder / "filled").touch()


def _make_rounds(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    connection.execute(
        "insert into round (school_year_id, kind, starts_on, ends_on, state) "
        "select y.id, k.kind::round_kind, y.starts_on + k.from_day, y.starts_on + k.from_day + 9, 'closed' "
        "from school_year y, (values ('baseline', 10), ('midline', 40), ('endline', 70)) k (kind, from_day) "
        "where y.is_current and not exists (select 1 from round r where r.school_year_id = y.id and r.kind = k.kind::round_kind and r.deleted_at is null) "
        "and not exists (select 1 from round r where r.deleted_at is null and daterange(r.starts_on, r.ends_on, '[]') && "
        "daterange(y.starts_on + k.from_day, y.starts_on + k.from_day + 9, '[]'))"
    )


def _fill_some(
    connection: psycopg.Connection[tuple[object, ...]],
    round_id: object,
    subject: str,
    person: object,
    last: str,
    rows: int,
) -> str | None:
    found = connection.execute(
        "with children as materialized (select id, school_id, class_id, grade, sex from student where id > %(last)s::uuid order by id limit %(rows)s), "
        "saved as (insert into result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex) "
        "select gen_random_uuid(), id, %(round)s, school_id, class_id, %(person)s, current_date, %(subject)s::subject, 'assessed', 'grid', "
        "1 + abs(hashtext(id::text || %(subject)s)) %% 5, grade, sex from children on conflict do nothing) "
        "select max(id::text) from children",
        {"last": last, "rows": rows, "round": round_id, "person": person, "subject": subject},
    ).fetchone()
    return None if found is None or found[0] is None else str(found[0])
