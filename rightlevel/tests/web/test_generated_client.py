"""A client that a generator makes from the document, and nothing else, creates, lists, changes and deletes one of each thing.

The generator takes the whole API without a warning: whatever it could not read, no other program could.
"""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from people import token_of
from PIL import Image
from serving import NewDatabase, Served, serving
from visiting import WHOLE

from rightlevel.web.app import all_routes
from rightlevel.web.document import document

pytestmark = pytest.mark.anyio

PACKAGE = "rightlevel_client"
CONFIG = """
post_hooks: []
package_name_override: rightlevel_client
content_type_overrides:
  image/jpeg: application/octet-stream
  application/pdf: application/octet-stream
"""
TODAY = date(2026, 11, 20)


class Remote:
    """The generated package, and one of its clients for each person of the cast."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.models = importlib.import_module(f"{PACKAGE}.models")
        self.client = importlib.import_module(f"{PACKAGE}.client")
        self.types = importlib.import_module(f"{PACKAGE}.types")
        api = importlib.import_module(f"{PACKAGE}.api")
        self.operations = {
            each.name.rpartition(".")[2]: each.name
            for each in pkgutil.walk_packages(api.__path__, f"{PACKAGE}.api.")
            if not each.ispkg
        }
        self.used: set[str] = set()

    async def call(
        self, operation: str, *place: Any, who: str = "coordinator", by: str = "bearer", **more: Any
    ) -> Any:
        """What the document says that comes back; a problem fails the test."""
        module = importlib.import_module(self.operations[operation])
        client = self.client.AuthenticatedClient(base_url="http://test", token=token_of(who))
        async with self.served.client(who, by=by) as carrier:
            answer = await module.asyncio_detailed(
                *place, client=client.set_async_httpx_client(carrier), **more
            )
        assert answer.status_code < 300, (operation, answer.status_code, answer.content)
        assert answer.parsed is not None or answer.status_code == 204, operation
        self.used.add(operation)
        return answer.parsed

    async def has(
        self, operation: str, key: str, value: Any, *place: Any, who: str = "coordinator", **more: Any
    ) -> Any:
        """The row of a list, found page by page."""
        after: Any = self.types.UNSET
        while True:
            page = await self.call(operation, *place, who=who, limit=50, after=after, **more)
            for row in page.items:
                if getattr(row, key) == value:
                    return row
            assert page.next_, f"{operation} does not list {key}={value}"
            after = page.next_

    def __getattr__(self, name: str) -> Any:
        return getattr(self.models, name)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client, generated from the document of what programs may ask."""
    folder = tmp_path_factory.mktemp("client")
    told = msgspec.json.decode(document(all_routes()))
    told["paths"] = {path: methods for path, methods in told["paths"].items() if path.startswith("/api/")}
    (folder / "document.json").write_bytes(msgspec.json.encode(told))
    (folder / "config.yml").write_text(CONFIG)
    command = [
        sys.executable,
        "-m",
        "openapi_python_client",
        "generate",
        "--path",
        "document.json",
        "--meta",
        "none",
        "--output-path",
        PACKAGE,
        "--config",
        "config.yml",
        "--fail-on-warning",
    ]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert made.returncode == 0, made.stdout[-3_000:] + made.stderr[-3_000:]
    return folder


@pytest.fixture(scope="module")
async def remote(
    package: Path, new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Remote]:
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(package))
        async with serving(new_database(), tmp_path_factory.mktemp("remote")) as opened:
            yield Remote(opened)


def test_every_operation_is_generated(remote: Remote) -> None:
    told = {each.name for each in all_routes() if each.path.startswith("/api/")}
    assert told == remote.operations.keys()


async def test_places_schools_and_classes(remote: Remote) -> None:
    cast = remote.served.cast
    place = await remote.call(
        "create_one_place",
        body=remote.NewPlace(kind="village", code="V9", name_local="Nine", parent_id=cast.district_1),
    )
    await remote.has("list_all_places", "id", place.id, parent_id=cast.district_1)
    changed = await remote.call(
        "change_one_place", place.id, body=remote.PlaceChange(version=place.version, name_local="Ninth")
    )
    assert (changed.name_local, changed.version) == ("Ninth", place.version + 1)
    school = await remote.call(
        "create_one_school",
        body=remote.NewSchool(place_id=cast.district_1, code="S9", name_local="Nine School"),
    )
    await remote.has("list_all_schools", "id", school.id)
    school = await remote.call(
        "change_one_school", school.id, body=remote.SchoolChange(version=school.version, area="rural")
    )
    assert school.area == "rural"
    made = await remote.call(
        "create_one_class", body=remote.NewClass(school_id=school.id, grade=4, section="Z")
    )
    await remote.has("list_all_classes", "id", made.id, school_id=school.id)
    made = await remote.call(
        "change_one_class", made.id, body=remote.ClassChange(version=made.version, section="Y")
    )
    assert made.section == "Y"
    for thing, number in (("class", made.id), ("school", school.id), ("place", place.id)):
        await remote.call(f"delete_one_{thing}", number)


async def test_years_and_rounds(remote: Remote) -> None:
    year = await remote.call(
        "create_one_year",
        body=remote.NewYear(name="2031", starts_on=date(2031, 1, 1), ends_on=date(2031, 12, 1)),
    )
    await remote.has("list_all_years", "id", year.id)
    year = await remote.call(
        "change_one_year", year.id, body=remote.YearChange(version=year.version, name="2031a")
    )
    new = remote.NewRound(
        kind="baseline", starts_on=date(2031, 2, 1), ends_on=date(2031, 2, 9), school_year_id=year.id
    )
    made = await remote.call("create_one_round", body=new)
    await remote.has("list_all_rounds", "id", made.id, school_year_id=year.id)
    change = remote.RoundChange(version=made.version, ends_on=date(2031, 2, 20))
    made = await remote.call("change_one_round", made.id, body=change)
    assert made.ends_on == date(2031, 2, 20)
    await remote.call("delete_one_round", made.id)
    await remote.call("delete_one_year", year.id)


async def test_people_assignments_and_keys(remote: Remote) -> None:
    cast = remote.served.cast
    new = remote.NewPerson(username="ninth", display_name="Ninth", role="teacher")
    person = (await remote.call("add_person", body=new)).person
    await remote.has("list_persons", "id", person.id)
    change = remote.PersonChange(version=person.version, display_name="The Ninth")
    person = await remote.call("change_one_person", person.id, body=change)
    held = remote.NewAssignment(person_id=person.id, school_id=cast.school_a, subject="math")
    assignment = await remote.call("create_one_assignment", body=held)
    await remote.has("list_all_assignments", "id", assignment.id, person_id=person.id)
    await remote.call("end_one_assignment", assignment.id)
    # A token makes no token: that takes somebody who signed in with a password.
    token = await remote.call("create_my_token", by="cookie", body=remote.NewToken(label="client", days=3))
    row = await remote.has("list_my_tokens", "label", "client")
    assert token.token
    await remote.call("revoke_my_token", row.id)
    await remote.call(
        "send_join_request", body=remote.NewJoinRequest(name="Tenth", contact="012 345", role="teacher")
    )
    request = await remote.has("list_join_requests", "name", "Tenth")
    await remote.call("decline_join_request", request.id, body=remote.WithReason(reason="Not here"))
    await remote.call("delete_one_person", person.id)


async def test_children_and_results(remote: Remote) -> None:
    cast = remote.served.cast
    new = remote.NewStudent(school_id=cast.school_a, code="Z9", name="Zora", sex=2, grade=3)
    child = await remote.call("create_one_student", who="teacher", body=new)
    await remote.has("list_all_students", "id", child.id, who="teacher", school_id=cast.school_a)
    change = remote.StudentChange(version=child.version, name="Zora K")
    child = await remote.call("change_one_student", child.id, who="teacher", body=change)
    write = remote.ResultWrite(
        id=str(uuid.uuid4()),
        student_id=child.id,
        round_id=cast.round,
        subject="math",
        tested_on=TODAY,
        level="division",
    )
    saved = await remote.call("enter_one_result", who="teacher", body=write)
    row = await remote.has("list_all_results", "id", saved.result_id, who="teacher", round_id=cast.round)
    assert (row.student_id, row.level) == (child.id, "division")
    write = remote.ResultWrite(
        id=str(uuid.uuid4()),
        student_id=child.id,
        round_id=cast.round,
        subject="math",
        tested_on=TODAY,
        level="subtraction",
        version=saved.version,
    )
    saved = await remote.call("enter_one_result", who="teacher", body=write)
    assert saved.code == "changed"
    await remote.call("delete_one_result", saved.result_id, who="teacher", version=saved.version)
    check = remote.CheckWrite(
        id=str(uuid.uuid4()), student_id=child.id, subject="math", level="division", checked_on=TODAY
    )
    told = await remote.call("enter_level_checks", who="teacher", body=remote.Checks(writes=[check]))
    assert [each.code for each in told.answers] == ["saved"]
    await remote.has("list_all_level_checks", "student_id", child.id, who="teacher")
    await remote.call("delete_one_student", child.id, who="teacher")


async def test_groups_and_lessons(remote: Remote) -> None:
    cast = remote.served.cast
    for student_id in cast.students_a:
        write = remote.ResultWrite(
            id=str(uuid.uuid4()),
            student_id=student_id,
            round_id=cast.round,
            subject="language",
            tested_on=TODAY,
            level="word",
        )
        await remote.call("enter_one_result", who="teacher", body=write)
    new = remote.NewGrouping(school_id=cast.school_a, subject="language", grade_from=3, grade_to=3)
    grouping = await remote.call("propose_school_groups", who="teacher", body=new)
    await remote.has("list_all_groupings", "id", grouping.id, who="teacher")
    await remote.call(
        "accept_school_groups",
        grouping.id,
        who="teacher",
        body=remote.AtVersion(version=grouping.version),
    )
    group = (
        await remote.call("read_school_groups", who="teacher", school_id=cast.school_a, subject="language")
    ).groups[0]
    lesson = remote.SessionWrite(id=str(uuid.uuid4()), group_id=group.id, held_on=TODAY, minutes=45)
    said = await remote.call("record_one_session", who="teacher", body=lesson)
    assert said.code in ("saved", "recorded"), said
    await remote.has(
        "list_teaching_sessions",
        "group_id",
        group.id,
        who="teacher",
        school_id=cast.school_a,
        subject="language",
    )
    again = remote.NewGrouping(school_id=cast.school_a, subject="language", grade_from=3, grade_to=3)
    proposal = await remote.call("propose_school_groups", who="teacher", body=again)
    await remote.call("drop_school_proposal", proposal.id, who="teacher")


async def test_visits_and_what_follows(remote: Remote) -> None:
    cast = remote.served.cast
    plan = remote.NewPlannedVisit(
        id=str(uuid.uuid4()), school_id=cast.school_a, subject="math", planned_on=date(2026, 12, 1)
    )
    planned = await remote.call("plan_one_visit", who="mentor", body=plan)
    await remote.has("list_all_planned", "id", planned.id, who="mentor")
    moved = remote.NewDay(version=planned.version, planned_on=date(2026, 12, 2))
    planned = await remote.call("move_one_planned", planned.id, who="mentor", body=moved)
    stop = remote.VersionAndReason(version=planned.version, reason="Rain")
    await remote.call("cancel_one_planned", planned.id, who="mentor", body=stop)
    number = str(uuid.uuid4())
    answers = remote.SentVisitAnswers.from_dict(WHOLE)
    draft = remote.SentVisit(
        write_id=str(uuid.uuid4()), school_id=cast.school_a, subject="math", visited_on=TODAY, answers=answers
    )
    saved = await remote.call("save_one_visit", number, who="mentor", body=draft)
    await remote.has("list_all_visits", "id", number, who="mentor", state="draft")
    due = remote.NewFollowUp(
        id=str(uuid.uuid4()), owner_id=cast.teacher.person_id, due_on=date(2026, 12, 5), words="More books"
    )
    agreed = await remote.call("raise_one_follow_up", number, who="mentor", body=due)
    await remote.has("list_all_follow_ups", "id", agreed.id, who="mentor")
    ending = remote.Ending(version=agreed.version, state="done", words="They came")
    await remote.call("close_one_follow_up", agreed.id, who="mentor", body=ending)
    await remote.call("delete_one_visit", number, who="mentor", version=saved.visit.version, reason="Twice")


async def test_forms(remote: Remote) -> None:
    known = (await remote.call("list_all_forms")).forms[0]
    definition = (await remote.call("read_one_form", known.code)).current.definition
    new = remote.FormsNewForm(code="client_form", name="Made by a client", definition=definition)
    form = await remote.call("begin_form", body=new)
    assert "client_form" in {each.code for each in (await remote.call("list_all_forms")).forms}
    draft = remote.Draft(version=form.version, definition=definition)
    form = await remote.call("put_draft", "client_form", body=draft)
    version = await remote.call(
        "publish_one_form", "client_form", body=remote.OfVersion(version=form.version)
    )
    await remote.has("list_form_versions", "id", version.id, "client_form")
    form = (await remote.call("read_one_form", "client_form")).form
    form = await remote.call(
        "put_draft", "client_form", body=remote.Draft(version=form.version, definition=definition)
    )
    await remote.call("throw_draft_away", "client_form", version=form.version)


async def test_photos(remote: Remote) -> None:
    cast, number, photo = remote.served.cast, str(uuid.uuid4()), str(uuid.uuid4())
    answers = remote.SentVisitAnswers.from_dict(WHOLE)
    draft = remote.SentVisit(
        write_id=str(uuid.uuid4()),
        school_id=cast.school_a,
        subject="language",
        visited_on=TODAY,
        answers=answers,
    )
    await remote.call("save_one_visit", number, who="mentor", body=draft)
    picture = BytesIO()
    Image.new("RGB", (64, 48), "green").save(picture, "JPEG")
    picture.seek(0)
    body = remote.AddVisitPhotoSentPhoto.from_dict({"id": photo})
    body.file = remote.types.File(payload=picture, file_name="photo.jpg", mime_type="image/jpeg")
    made = await remote.call("add_visit_photo", number, who="mentor", body=body)
    kept = (await remote.call("list_visit_photos", number, who="mentor")).photos
    assert [each.id for each in kept] == [made.id]
    seen = await remote.call("read_one_photo", made.id, who="mentor")
    assert seen.payload.read(3) == b"\xff\xd8\xff"
    await remote.call("remove_one_photo", made.id, who="mentor")


async def test_programmes_resources_and_imports(remote: Remote) -> None:
    cast = remote.served.cast
    write = remote.InterventionWrite(name="Camp", starts_on=date(2026, 11, 1))
    camp = await remote.call("create_one_intervention", body=write)
    await remote.has("list_all_interventions", "id", camp.id)
    write = remote.InterventionWrite(name="Reading camp", starts_on=date(2026, 11, 1), version=camp.version)
    camp = await remote.call("change_one_intervention", camp.id, body=write)
    enrolling = remote.EnrolmentWrite(
        id=str(uuid.uuid4()), student_id=cast.students_a[1], from_on=date(2026, 11, 3)
    )
    told = await remote.call(
        "enrol_many_children", camp.id, who="teacher", body=remote.Enrolling(writes=[enrolling])
    )
    assert [each.code for each in told.answers] == ["saved"]
    row = await remote.has("list_intervention_enrolments", "id", enrolling.id, camp.id, who="teacher")
    ending = remote.EnrolmentChange(
        version=row.version, from_on=row.from_on, to_on=TODAY, outcome="completed"
    )
    await remote.call("change_one_enrolment", row.id, who="teacher", body=ending)
    await remote.call("delete_one_intervention", camp.id)
    resource = await remote.call(
        "create_one_resource", body=remote.NewResource(kind="activity", title="Cards")
    )
    await remote.has("list_all_resources", "id", resource.id)
    change = remote.ResourceChange(version=resource.version, title="Word cards")
    resource = await remote.call("change_one_resource", resource.id, body=change)
    await remote.call("delete_one_resource", resource.id)
    sheet = remote.types.File(
        payload=BytesIO(b"school,code,name,sex,grade\nA,IMP1,Imported,1,3\n"),
        file_name="children.csv",
        mime_type="text/csv",
    )
    body = remote.SendImportImportForm.from_dict({"kind": "students", "dry_run": True})
    body.file = sheet
    run = await remote.call("send_import", body=body)
    await remote.has("list_imports", "id", run.id)
