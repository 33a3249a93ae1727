"""What the rules learnt from being measured on published projects: each was found wrongly, or not found, in one of them."""

from __future__ import annotations

from pathlib import Path

from flatwater.audit.app import App
from flatwater.audit.model import Finding
from flatwater.audit.routes import routes_in
from flatwater.audit.rules import RULES
from flatwater.audit.source import Module
from flatwater.audit.static import audit_folder


def found_in(rule: str, **texts: str) -> list[Finding]:
    modules = [Module(Path(f"{name}.py"), f"{name}.py", name, text) for name, text in texts.items()]
    app = App(modules, routes_in(modules))
    return [
        found for each in RULES if each.name == rule for module in modules for found in each.look(module, app)
    ]


PEOPLE = """
from sqlalchemy import select
from models import Person, Membership

async def list_people(db):
    return (await db.execute(select(Person).order_by(Person.name))).scalars().all()

async def list_members(db, club_id):
    return (await db.execute(select(Membership).where(Membership.club_id == club_id))).scalars().all()

async def one_person(db, person_id):
    return (await db.execute(select(Person.name).where(Person.id == person_id))).scalars().all()

async def people_of(db, club_id):
    query = select(Person).join(Membership).where(Membership.id == club_id)
    return (await db.execute(query)).scalars().all()
"""
ROUTES = """
import people

class Everybody(Model):
    items: list[Person]
    total: int

class Card(Model):
    name: str
    nicknames: list[str]

@app.get("/people", response_model=Everybody)
async def get_people(db):
    return Everybody(items=await people.list_people(db))

@app.get("/card", response_model=Card)
async def get_card(db):
    await people.list_people(db)
    return Card()

@app.get("/members")
async def get_members(db, club_id: int) -> list[Membership]:
    await people.one_person(db, 1)
    await people.people_of(db, 1)
    return await people.list_members(db, club_id)

@app.get("/weather")
async def get_weather(client) -> list[str]:
    return await client.ask("weather")
"""


def test_a_whole_table_in_an_envelope_is_an_unpaged_list_though_another_function_reads_it() -> None:
    found = found_in("unpaged-list", people=PEOPLE, routes=ROUTES)
    assert [(each.route, each.priority) for each in found] == [("GET /people", "P1")]


def test_a_part_of_a_table_is_advice_and_one_row_by_its_key_is_nothing() -> None:
    found = found_in("query-without-limit", people=PEOPLE, routes=ROUTES)
    assert {(each.where.symbol, each.priority) for each in found} == {
        ("list_people", "P1"),
        ("list_members", "P3"),
        ("people_of", "P3"),
    }


def test_a_handler_that_reads_a_part_itself_and_takes_no_page_is_told() -> None:
    text = (
        PEOPLE
        + """
@app.get("/club")
async def club(db, club_id: int) -> list[Membership]:
    return (await db.execute(select(Membership).where(Membership.club_id == club_id))).scalars().all()
"""
    )
    assert [each.priority for each in found_in("unpaged-list", people=text)] == ["P3"]


def test_a_secret_that_has_changed_and_one_typed_twice_are_not_guessed_at() -> None:
    text = """
def keep(server, known_token, given):
    if known_token != given["token"]:
        server.token_enc = encrypted(given["token"])
    if server and server.api_key != given["api_key"]:
        server.api_key = given["api_key"]

def typed_twice(password, password_2):
    return password == password_2

def still_mine(store, token):
    return store.get(BUILD_LOCK_KEY) == token

def sign_in(request, password):
    if request.password != password:
        answer = by_key(request.password)
    return answer

def checked(content, digest):
    return sha256(content).hexdigest() == digest

def sorted_by(order_token, asc):
    return order_token == asc

def differs(password, current_password):
    return password == current_password

def verified(signature, body, secret):
    return signature == hmac.new(secret, body).hexdigest()

class Tokens:
    def validate(self, token):
        return token == self.auth_token
"""
    assert [each.where.symbol for each in found_in("secret-compared", accounts=text)] == [
        "sign_in",
        "verified",
        "Tokens.validate",
    ]


def test_every_column_of_a_function_is_no_star_of_a_table() -> None:
    text = """
def search(c, words):
    c.execute("SELECT * FROM search(:words::jsonb)", words)
    c.execute("SELECT * FROM search_result", words)
    c.execute(f"SELECT * FROM {words} LIMIT 5")
    c.execute("SELECT id FROM (SELECT *, row_number() OVER () AS place FROM pupil) numbered WHERE place = 1")
"""
    assert [each.where.line for each in found_in("select-star", queries=text)] == [4]


def test_a_line_that_is_yielded_is_no_answer_built_whole() -> None:
    text = """
import csv, io

@app.get("/export")
def export(rows):
    buffer = io.StringIO()
    for row in rows:
        line = io.StringIO()
        csv.writer(line).writerow(row)
        yield line.getvalue()
        csv.writer(buffer).writerow(row)
    return Response(buffer.getvalue())
"""
    assert [each.where.line for each in found_in("response-built-whole", exports=text)] == [12]


def test_a_thread_that_takes_a_place_first_is_counted() -> None:
    text = """
import threading

@app.get("/drawn")
def drawn():
    if PLACES.acquire(blocking=False):
        threading.Thread(target=draw).start()

@app.get("/sent")
def sent():
    threading.Thread(target=send).start()
"""
    assert [each.where.symbol for each in found_in("unowned-task", pictures=text)] == ["sent"]


def test_what_is_worked_out_of_a_class_is_as_many_as_the_source_has_classes() -> None:
    text = """
from functools import cache

@cache
def fields_of(model: type[Model], prefix: str | None = None):
    return list(model.fields)

@cache
def fields_named(name: str):
    return name
"""
    assert [(each.where.symbol, each.priority) for each in found_in("unbounded-cache", fields=text)] == [
        ("fields_named", "P3")
    ]
    asked = (
        text
        + """
@app.get("/fields")
def fields(name: str):
    return fields_named(name)

@cache
def started(name: str):
    return name
"""
    )
    assert [(each.where.symbol, each.priority) for each in found_in("unbounded-cache", fields=asked)] == [
        ("fields_named", "P1")
    ]


def test_what_is_filled_once_and_what_is_counted_elsewhere_does_not_grow() -> None:
    text = """
import asyncio

LOADED = []
SEEN = []

class Lines:
    def __init__(self, max_buffered_bytes):
        self.waiting = asyncio.Queue()

class Output:
    def __init__(self):
        self.lines = asyncio.Queue()

    def put(self, line):
        while self.lines.qsize() >= 100:
            self.lines.get_nowait()
        self.lines.put_nowait(line)

class Letters:
    def __init__(self):
        self.waiting = asyncio.Queue()

class Places:
    def __init__(self, connections):
        self.idle = asyncio.Queue()
        for each in connections:
            self.idle.put_nowait(each)

@app.get("/snippets")
def snippets(name):
    if not LOADED:
        LOADED.append(load())
    SEEN.append(name)
    return LOADED[0]
"""
    assert [each.where.line for each in found_in("growing-container", letters=text)] == [34]
    assert [each.where.symbol for each in found_in("unbounded-queue", letters=text)] == ["Letters.__init__"]


def test_one_client_for_each_address_is_advice_and_one_entry_for_each_caller_is_grave() -> None:
    text = """
CLIENTS = {}
CANCELLED = {}

@app.get("/ask")
def ask(address, run):
    if address not in CLIENTS:
        CLIENTS[address] = Client(address)
    if run not in CANCELLED:
        CANCELLED[run] = Event()
"""
    found = found_in("unbounded-cache", asking=text)
    assert [(each.where.line, each.priority) for each in found] == [(8, "P3"), (10, "P1")]


def test_folders_that_serve_nobody_are_left_out(tmp_path: Path) -> None:
    for name in (
        "shop/orders.py",
        "shop/_smoke_tests/star.py",
        "shop/tutorials/star.py",
        "shop/_migrations/first.py",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('QUERY = "SELECT * FROM pupil"\n')
    assert [each.where.path for each in audit_folder(tmp_path).findings] == ["shop/orders.py"]


def test_what_no_request_is_seen_to_reach_is_advice() -> None:
    text = """
import asyncio
import requests

WAITING = asyncio.Queue()

class Helper:
    def __init__(self):
        self.waiting = asyncio.Queue()

def fetch():
    return requests.get("https://elsewhere.example")

@app.post("/all")
async def all_of_them(letters: list[str]):
    await asyncio.gather(*[post(each) for each in letters])
    return requests.get("https://elsewhere.example")
"""
    queues = found_in("unbounded-queue", letters=text)
    assert [(each.where.line, each.priority) for each in queues] == [(5, "P3"), (9, "P3"), (16, "P3")]
    limits = found_in("no-time-limit", letters=text)
    assert [(each.where.symbol, each.priority) for each in limits] == [("fetch", "P3"), ("all_of_them", "P1")]


def test_rows_that_are_summed_up_are_no_list_and_a_kept_exception_is_told_once() -> None:
    text = """
FAULTS = []

@app.get("/totals")
async def totals(connection):
    words = sum(len(row[0]) for row in (await connection.execute("SELECT words FROM note")).fetchall())
    try:
        return {"words": words}
    except ValueError as error:
        FAULTS.append(error)
"""
    assert found_in("unpaged-list", totals=text) == []
    assert found_in("growing-container", totals=text) == []
    assert len(found_in("exception-kept", totals=text)) == 1


def test_a_field_of_a_model_is_every_objects_own() -> None:
    text = """
class Node(BaseModel):
    kinds: list[str] = []

    def add(self, kind):
        self.kinds.append(kind)

class Shared:
    kinds: list[str] = []

    def add_shared(self, kind):
        self.kinds.append(kind)

@app.get("/all")
def everything(kind: str):
    Node().add(kind)
    Shared().add_shared(kind)
"""
    assert [each.where.line for each in found_in("growing-container", nodes=text)] == [12]


def test_a_comparison_that_lets_nobody_in_is_none_of_a_secret() -> None:
    text = """
class Client:
    def __eq__(self, other):
        return other.token == self.token

class FakeHasher:
    def verify(self, password, hashed):
        return password == hashed

def passwords_match(value, info):
    if value != info["password"]:
        raise ValueError("no")

def sign_up(given, chosen):
    if given.password != chosen.secret:
        raise ValueError("The passwords do not match")

def validate(method):
    return method == bulk_edit.remove_password

def reset(user, new_password):
    password_hash = hash_password(new_password)
    if user.password != password_hash:
        raise ValueError

def list_keys(keys, secret):
    for key in keys:
        if key == secret:
            continue
        yield key

def join(invite, token):
    return invite.token == token
"""
    assert [each.where.symbol for each in found_in("secret-compared", accounts=text)] == ["join"]


def test_rows_of_which_only_nulls_are_left_out_or_that_are_sorted_into_groups_are_used() -> None:
    text = """
def shapes(connection):
    rows = connection.execute("SELECT id, shape FROM task").fetchall()
    return [row for row in rows if row["shape"]]

def hashes(session):
    rows = session.execute(select(Alert)).all()
    return {a: b for a, b in rows if b is not None}

def by_group(session, groups):
    labels = session.query(Label).all()
    for group in groups:
        group.labels = [label for label in labels if label.group_id == group.id]

def late(session):
    loans = session.query(Loan).all()
    return [loan for loan in loans if loan.due < 5]
"""
    assert [each.where.symbol for each in found_in("fetch-before-use", rows=text)] == ["late"]


def test_a_client_for_each_request_is_grave_where_it_is_a_connection_to_the_database() -> None:
    text = """
import httpx, asyncpg

@app.get("/a")
async def a():
    async with httpx.AsyncClient() as client:
        return (await client.get("https://a.example")).text

@app.get("/b")
async def b():
    connection = await asyncpg.connect()
    return await connection.fetchval("SELECT 1")
"""
    assert [each.priority for each in found_in("client-per-request", views=text)] == ["P2", "P1"]


def test_the_children_of_one_row_are_advice_where_they_take_no_page() -> None:
    text = """
@app.get("/clubs/{club_id}/members")
async def members(db, club_id: int) -> list[Member]:
    return await Member.all(db, club_id)

@app.get("/clubs")
async def clubs(db) -> list[Club]:
    return await Club.all(db)
"""
    assert [(each.route, each.priority) for each in found_in("unpaged-list", views=text)] == [
        ("GET /clubs/{club_id}/members", "P3"),
        ("GET /clubs", "P3"),
    ]


def test_a_handler_of_any_words_is_named_with_its_own_route() -> None:
    text = """
import functools
KEPT = []

def counted(handler):
    @functools.wraps(handler)
    async def inner(**k):
        return await handler(**k)
    return inner

@app.get("/one/{a}")
@counted
async def one(a: int, **k):
    KEPT.append(a)

@app.get("/two/{a}")
async def two(**k):
    return 1
"""
    assert [each.route for each in found_in("growing-container", views=text)] == ["GET /one/{a}"]


def test_a_queue_that_carries_one_answer_back_goes_with_its_request() -> None:
    text = """
import queue

WORK = queue.Queue()

@app.post("/generate")
def generate(words: str):
    answers = queue.Queue()
    WORK.put_nowait((words, answers))
    return answers.get()
"""
    assert [each.where.line for each in found_in("unbounded-queue", work=text)] == [9]


def test_a_text_in_many_pieces_is_read_once() -> None:
    pieces = " + ".join(["'SELECT name '", *["','"] * 60, "' FROM pupil LIMIT 1'"])
    assert found_in("select-star", queries=f"def names(c):\n    c.execute({pieces})\n") == []


def test_what_pretends_to_be_a_service_is_left_out(tmp_path: Path) -> None:
    text = "import time\n\n@app.get('/')\nasync def home():\n    time.sleep(1)\n"
    for name in ("mock_agent.py", "agent.py"):
        (tmp_path / name).write_text(text)
    assert [
        each.where.path for each in audit_folder(tmp_path).findings if each.rule == "blocking-in-async"
    ] == ["agent.py"]


def test_what_somebody_may_see_is_kept_for_one_request_without_harm() -> None:
    text = """
@cache_for_request
def get_authorized_findings(user):
    return query(user)

@lru_cache
def get_authorized_products(user):
    return query(user)
"""
    assert [each.where.symbol for each in found_in("cached-authorisation", rights=text)] == [
        "get_authorized_products"
    ]


def audited(tmp_path: Path, **files: str) -> list[tuple[str, int, str]]:
    """What an audit of a folder says gravely: rule, line, priority."""
    for name, text in files.items():
        file = tmp_path / (name.replace("__", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return [(each.rule, each.where.line, each.priority) for each in audit_folder(tmp_path).findings]


def test_a_comparison_that_keeps_nobody_out_is_not_guessed_at() -> None:
    text = """
@app.post("/seen")
def seen(state, token):
    if state.get(SEEN_KEY) != token:
        state[SEEN_KEY] = token
        state.save()
    return "seen"

@app.post("/join")
def join(invite, token):
    if invite.token != token:
        return 403
    return mine(invite, token)

def mine(orgs, token):
    return list(filter(lambda org: org["token"] == token, orgs))

def far_from_requests(row, token):
    return row.token == token
"""
    assert [(each.where.symbol, each.priority) for each in found_in("secret-compared", rooms=text)] == [
        ("join", "P1"),
        ("mine", "P3"),
        ("far_from_requests", "P3"),
    ]


def test_a_container_whose_keys_the_source_names_does_not_grow() -> None:
    text = """
class Importer:
    ids = {}

    def _remember(self, kind, found):
        self.ids[kind] = found

    def foods(self):
        self._remember("food", foods())
        self._remember(Kind.UNIT, units())

class Seen:
    names = {}

    def note(self, name):
        self.names[name] = 1

@app.post("/import")
def bring_in(name):
    Importer().foods()
    Seen().note(name)
"""
    assert [each.where.symbol for each in found_in("growing-container", importer=text)] == ["Seen.note"]


def test_a_loop_over_what_may_be_a_handful_is_advice() -> None:
    text = """
@app.post("/tags")
def tag(session, body, ids: list[int]):
    for one in body.tags:
        session.get(Tag, one)
    for id in ids:
        session.get(Tag, id)
    for row in session.scalars(select(Note)):
        session.get(Tag, row.tag)
"""
    assert [(each.where.line, each.priority) for each in found_in("query-per-row", tags=text)] == [
        (5, "P3"),
        (7, "P2"),
        (9, "P2"),
    ]


def test_a_stored_file_is_no_upload_and_a_body_is_read_whole_by_each_framework() -> None:
    text = """
@app.post("/files")
async def files(request, uploaded: UploadFile):
    row = UserFile.objects.get(pk=1)
    row.file.file.read()
    await request.body()
    return uploaded.file.read()
"""
    assert [(each.where.line, each.priority) for each in found_in("whole-upload", files=text)] == [
        (6, "P3"),
        (7, "P1"),
    ]


def test_what_a_person_runs_is_advice(tmp_path: Path) -> None:
    text = 'def all_of_it(c):\n    c.execute("SELECT * FROM pupil")\n'
    found = audited(tmp_path, app__management__commands__show=text, scripts__show=text, app__store=text)
    assert [priority for _, _, priority in found] == ["P2", "P3", "P3"]


def test_one_missing_setting_is_told_gravely_once(tmp_path: Path) -> None:
    text = """
@app.post("/a")
def a(connection, names: list[str]):
    with connection.transaction():
        for each in names:
            connection.execute("UPDATE a SET b = 1")

@app.post("/b")
def b(connection):
    with connection.transaction():
        connection.execute("UPDATE a SET b = 2")
        connection.execute("UPDATE a SET b = 3")
"""
    found = audited(tmp_path, pays=text)
    assert [each for each in found if each[0] == "transaction-without-deadline"] == [
        ("transaction-without-deadline", 4, "P2"),
        ("transaction-without-deadline", 10, "P3"),
    ]


def test_a_transaction_of_one_statement_is_advice() -> None:
    text = """
@app.post("/b")
def b(connection):
    with connection.transaction():
        connection.execute("UPDATE a SET b = 2")
"""
    assert [each.priority for each in found_in("transaction-without-deadline", pays=text)] == ["P3"]


def test_a_star_of_a_sub_query_is_no_star_of_a_table() -> None:
    text = """
SQL = "SELECT entities.*, p.name FROM (SELECT id, name FROM story) AS entities JOIN p ON p.id = entities.id"
WORSE = "SELECT p.*, 1 FROM (SELECT id, name FROM story) entities JOIN project p ON p.id = entities.id"
"""
    assert [each.where.line for each in found_in("select-star", users=text)] == [3]


def test_what_forgets_a_cache_is_answered_from_none() -> None:
    text = """
@CacheEvict("roles")
def edit_role(role):
    return role

@cached(60)
def has_role(user, role):
    return role in user.roles

@app.get("/role/{id}")
@cached(60)
def role_detail(id):
    return id
"""
    assert [each.where.symbol for each in found_in("cached-authorisation", roles=text)] == ["has_role"]


def test_a_mask_and_a_row_found_by_its_secret_let_nobody_in() -> None:
    text = """
@app.post("/verify")
def verify(db, asked):
    row = db.query(Token).filter_by(token=asked.token).first()
    if row.token != asked.token:
        raise Refused
    if asked.api_key == "***" * 3:
        return None
    if row.api_key != asked.api_key:
        raise Refused
"""
    assert [each.where.line for each in found_in("secret-compared", tokens=text)] == [9]


def test_a_cache_of_what_a_table_of_the_source_names_is_bounded() -> None:
    text = """
KINDS = {"a": "first", "b": "second"}
found = {}

@app.get("/{kind}")
def kind(kind):
    if kind in found:
        return found[kind]
    entry = KINDS.get(kind)
    if entry is None:
        return None
    found[kind] = load(entry)
    return found[kind]
"""
    assert found_in("unbounded-cache", kinds=text) == []


def test_a_list_without_a_page_is_told_where_it_is_read(tmp_path: Path) -> None:
    text = """
@app.get("/people", response_model=list[Person])
def people(session):
    return session.execute(select(Person)).scalars().all()

@app.get("/roles", response_model=list[Role])
def roles(session):
    return session.execute(select(Role)).scalars().all()
"""
    found = audited(tmp_path, people=text)
    assert [each for each in found if each[2] != "P3"] == [("query-without-limit", 4, "P1")]


def test_a_right_that_is_looked_up_or_kept_for_a_time_is_advice_and_one_kept_for_ever_is_grave() -> None:
    text = """
def has_role(user, role):
    return role in ROLES_CACHE[user]

@cached(ttl=60)
async def has_access(user, role):
    return await read(user, role)

@lru_cache(maxsize=100)
def may_write(user, role):
    return read(user, role)
"""
    found = found_in("cached-authorisation", rights=text)
    assert [(each.where.symbol, each.priority) for each in found] == [
        ("has_role", "P3"),
        ("has_access", "P3"),
        ("may_write", "P1"),
    ]


def test_what_is_registered_only_where_it_is_not_yet_is_let_be() -> None:
    text = """
@app.get("/{name}")
def named(name):
    logger = logging.getLogger(name)
    if not any(isinstance(each, FileHandler) for each in logger.handlers):
        logger.addHandler(FileHandler(name))
    logger.addHandler(FileHandler("all"))
"""
    assert [each.where.line for each in found_in("registered-per-request", logs=text)] == [7]


def test_a_client_that_asks_many_times_or_that_its_callers_keep_is_advice_or_let_be() -> None:
    text = """
import httpx
store = None

def build():
    return wrapped(httpx.AsyncClient())

def kept():
    global store
    if store is None:
        store = build()
    return store

@app.post("/tell")
async def tell(people):
    kept()
    async with httpx.AsyncClient() as client:
        for each in people:
            await client.post(each)
    async with httpx.AsyncClient() as client:
        await client.post("https://elsewhere.example")
"""
    found = found_in("client-per-request", tells=text)
    assert [(each.where.line, each.priority) for each in found] == [(17, "P3"), (20, "P2")]


def test_a_worker_of_a_queue_stops_no_request(tmp_path: Path) -> None:
    text = """
import time

@app.post("/x")
async def work():
    time.sleep(5)
"""
    found = audited(tmp_path, shop__tasks__sync=text, shop__views=text)
    assert [(rule, priority) for rule, _, priority in found if rule == "blocking-in-async"] == [
        ("blocking-in-async", "P2"),
        ("blocking-in-async", "P3"),
    ]


def test_keys_of_a_class_and_of_a_literal_are_named_by_the_source() -> None:
    text = """
VERSIONS = {}
TABLES = {}
SEEN = {}

@app.get("/{name}")
def versions(name):
    VERSIONS.update({"api": 1})
    TABLES[schemas.Kind.EVENTS] = 2
    SEEN.update({name: 1})
"""
    assert [each.where.line for each in found_in("growing-container", views=text)] == [10]


def test_an_engine_that_is_put_away_is_kept() -> None:
    text = """
import sqlalchemy
ENGINES = {}

@app.get("/{dsn}")
def asked(dsn):
    engine = sqlalchemy.create_engine(dsn)
    ENGINES[dsn] = engine
    sqlalchemy.create_engine(dsn).connect()
"""
    assert [each.where.line for each in found_in("client-per-request", engines=text)] == [9]


def test_which_of_two_secrets_is_used_keeps_nobody_out() -> None:
    text = """
@app.get("/pull")
def pull(function, config):
    if function.secret != config.secret:
        return function.secret
    if function.api_key != config.api_key:
        return 403
"""
    assert [each.where.line for each in found_in("secret-compared", pulls=text)] == [6]


def test_a_program_that_is_started_by_itself_is_advice_and_an_application_is_not(tmp_path: Path) -> None:
    text = 'def all_of_it(c):\n    c.execute("SELECT * FROM pupil")\n\nif __name__ == "__main__":\n    all_of_it(1)\n'
    found = audited(tmp_path, check_pupils=text, serves="app = FastAPI()\n" + text, github_mock__views=text)
    assert [priority for _, _, priority in found] == ["P2", "P3"]


KINDS = """
from sqlalchemy import select

class Kiosk(Base):
    __tablename__ = "kiosk"

class Sale(Base):
    __tablename__ = "sale"

@app.get("/kiosks")
def kiosks(db) -> list[dict]:
    return db.execute(select(Kiosk)).scalars().all()

@app.get("/sales")
def sales(db) -> list[dict]:
    return db.execute(select(Sale)).scalars().all()

@app.post("/sales")
def sell(db, what: str):
    db.add(Sale(what=what))
"""


def test_a_whole_table_is_grave_where_a_request_is_seen_to_add_to_it() -> None:
    for rule in ("unpaged-list", "query-without-limit"):
        found = found_in(rule, kinds=KINDS)
        assert {(each.where.symbol, each.priority) for each in found} == {("kiosks", "P3"), ("sales", "P1")}


def test_a_container_is_grave_where_what_was_asked_for_is_its_key() -> None:
    text = """
class Offsets:
    def __init__(self):
        self.by_bot = {}
        self.by_person = {}

    def set_bot(self, bot, number):
        self.by_bot[bot] = number

    def set_person(self, person, number):
        self.by_person[person] = number

offsets = Offsets()

@app.post("/seen/{person}")
def seen(person: str):
    offsets.set_person(person, 1)
    offsets.set_bot(settings.bot, 1)
"""
    found = found_in("growing-container", offsets=text)
    assert {(each.where.symbol, each.priority) for each in found} == {
        ("Offsets.set_bot", "P3"),
        ("Offsets.set_person", "P1"),
    }
