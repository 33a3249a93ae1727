"""Work without a network: the page that is kept on a phone, the worker that keeps it, and what a phone holds of its owner's work.

The page and the worker hold nothing of anybody and are the same for all; what is somebody's comes as a pack, and lies on the phone
encrypted (static/phone_store.js).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from babel.dates import format_date

from flatwater.contract import Everyone, Html, Raw, Redirect
from rightlevel import __version__
from rightlevel.cldr import locale_of
from rightlevel.programme.errors import NotFound
from rightlevel.programme.languages import MOST_LANGUAGES
from rightlevel.programme.levels import SCALES
from rightlevel.programme.packs import Pack, read_pack
from rightlevel.programme.permissions import May
from rightlevel.programme.results.model import REFUSALS
from rightlevel.programme.verification.model import REFUSALS as RETEST_REFUSALS
from rightlevel.web.guided import guided_words
from rightlevel.web.language import BUDDHIST_YEARS, IN_BUDDHIST_ERA, Language, languages_in
from rightlevel.web.request import Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import impersonal, language_of, static_address
from rightlevel.web.words import WORDS, word

routes = Routes("phone")

PACK_S = 10.0
"""A pack of twelve schools reads forty statements."""
WORKER = Path(__file__).parent / "worker.js"
SHELL_FILES = ("app.css", "phone_page.css", "icons.svg", "mark.svg", "phone_page.js")
"""What the page needs besides itself. The worker keeps exactly these, in the version that belongs to its own."""


TOLD_RULES = (
    "Another child of this school has this code",
    "Please fill this in",
    "A teacher of this school",
    "Between 1 and 40 characters",
    "Between 1 and 200 characters",
    "From today on, within 400 days",
    "Somebody who works at this school",
)
"""What entries that are sent late are most often refused for; other rules are told in English."""


class PackWanted(msgspec.Struct, frozen=True):
    """Of which schools; of all the caller's own, as many as there is room for, where none is told."""

    school_id: list[int] = []


class Connection(msgspec.Struct, frozen=True):
    """Who is signed in, the token that their writes carry, and the server's clock."""

    person_id: int
    display_name: str
    csrf_token: str
    at: datetime


class ShellPath(msgspec.Struct, frozen=True):
    """The language of the page."""

    language: str


@routes.get("/api/v1/pack", May("enter", "result"), deadline_s=PACK_S, work="snapshot")
async def read_my_pack(request: Request, *, query: PackWanted) -> Pack:
    """What the caller's phone may hold of their own work, to go on without a network; bounded, and what is left out is named."""
    return await read_pack(request.session, actor_of(request), request.clock, query.school_id)


@routes.get("/api/v1/me/connection", May("manage", "self"))
async def read_my_connection(request: Request) -> Connection:
    """Who is signed in on this browser, and what a page kept on a phone needs to send what was entered meanwhile."""
    actor = actor_of(request)
    return Connection(actor.person_id, actor.display_name, actor.csrf_token, request.clock.now())


@routes.get("/phone", Everyone(), work="none", tags=("pages",))
async def phone_page(request: Request) -> Redirect:
    """Leads to the page for work without a network in the reader's language."""
    return Redirect(f"/phone/{language_of(request).code}")


@routes.get("/phone/{language}", Everyone(), work="none", tags=("pages",))
async def phone_shell(request: Request, *, path: ShellPath) -> Html:
    """The page for work without a network: the same for everybody, for it is kept on the phone; what is somebody's comes after."""
    languages = languages_in(request.app.languages)
    if path.language not in languages:
        raise NotFound
    return Html(_shell(languages[path.language], tuple(languages.values())))


@routes.get("/worker.js", Everyone(), work="none", tags=("pages",), media=("text/javascript",))
async def worker_script(request: Request) -> Raw:
    """The script that keeps the page on the phone, with the list of what it keeps."""
    languages = tuple(languages_in(request.app.languages).values())
    kept = {
        "version": shell_version(languages),
        "pages": {each.code: f"/phone/{each.code}" for each in languages},
        "files": [static_address(each) for each in SHELL_FILES],
    }
    text = f"const KEPT = {msgspec.json.encode(kept).decode()};\n{_worker()}"
    return Raw(text.encode(), "text/javascript; charset=utf-8")


@cache
def _worker() -> str:
    return WORKER.read_text("utf-8")


@lru_cache(maxsize=2)
def shell_version(languages: tuple[Language, ...]) -> str:
    """A mark of everything that is kept on a phone: another one where any of it is another."""
    parts = [__version__, _worker(), *(static_address(each) for each in SHELL_FILES)]
    parts += [_shell(each, languages) for each in languages]
    return sha256("\0".join(parts).encode()).hexdigest()[:12]


@lru_cache(maxsize=2 * MOST_LANGUAGES)
def _shell(language: Language, languages: tuple[Language, ...]) -> str:
    """The page in a language: made once, since strangers may ask for it and it takes 6 ms. *Cost*: 10 kB for each language."""
    words = msgspec.json.encode(phone_words(language, languages)).decode().replace("<", "\\u003c")
    named = {each.code: each for each in languages}
    return impersonal(language, "offline/phone.html", f"/phone/{language.code}", words=words, languages=named)


def phone_words(language: Language, languages: Sequence[Language]) -> dict[str, Any]:
    """Every text that the page's scripts show, in one language, and the languages that pages are offered in."""
    _ = language.gettext
    locale, _name, _direction = locale_of(language.code)
    return {
        **guided_words(language),
        "short": {code: _(text) for code, text in WORDS["level_short"].items()},
        "levels": {subject: [[each.rank, each.code] for each in scale] for subject, scale in SCALES.items()},
        "subject": {each: _(word("subject", each)) for each in SCALES},
        "round": {each: _(word("round", each)) for each in ("baseline", "midline", "endline")},
        "other": {"absent": _("Absent"), "refused": _("Refused"), "left": _("Left school")},
        "presence": {"present": _("Present"), "late": _("Late"), "absent": _("Absent")},
        "languages": {each.code: each.name for each in languages},
        "digits": language.own_digits,
        "date": "{day} {month} {year}"
        if language.calendar == "gregorian"
        else _(IN_BUDDHIST_ERA, day="{day} {month}", year="{year}"),
        "later_years": 0 if language.calendar == "gregorian" else BUDDHIST_YEARS,
        "refusal": {code: _(text) for code, text in REFUSALS.items()},
        "months": [format_date(date(2000, month, 1), "LLL", locale=locale) for month in range(1, 13)],
        "grade": _("Grade {number}"),
        "group_name": _("Group {number}"),
        "whole": _("{grade}, without a class"),
        "title": _("On this phone"),
        "intro": _(
            "Test children and take attendance without a network. What you enter is kept on this phone, locked with a PIN, and sent when there is a network."
        ),
        "choose_pin": _("Choose a PIN for this phone"),
        "pin_hint": _(
            "At least 6 characters. You need it each time you open your work here; nobody can tell it to you."
        ),
        "pin_again": _("The PIN once more"),
        "pin_short": _("A PIN needs at least 6 characters."),
        "pin_differs": _("The two are not the same."),
        "keep_here": _("Keep my work on this phone"),
        "sign_in_first": _("Sign in first; then your work can be kept on this phone."),
        "sign_in": _("Sign in"),
        "sign_in_to_send": _("Sign in again to send. What you entered is kept on this phone."),
        "somebody_else": _(
            "{name} is signed in on this browser. Sign in as yourself to send; what you entered is kept."
        ),
        "open_as": _("Whose work is opened?"),
        "pin": _("PIN"),
        "unlock": _("Open"),
        "pin_wrong": _("This is not the PIN."),
        "add_person": _("Somebody else’s work on this phone"),
        "not_secure": _("Work can be kept on a phone only where the address begins with https."),
        "no_store": _(
            "This browser keeps nothing for this site (perhaps it is a private window), so nothing can be saved here."
        ),
        "offline": _("No network"),
        "kept": _("{n} on this phone, not yet on the server"),
        "for_hours": _("the oldest for {n} h"),
        "for_days": _("the oldest for {n} days"),
        "all_sent": _("Everything is on the server"),
        "saving": _("Saving…"),
        "sending": _("Sending…"),
        "on_phone": _("On this phone"),
        "on_server": _("On the server"),
        "not_tested": _("Not tested yet"),
        "held": _("Locked"),
        "blind": _("Hidden until you tested again"),
        "not_kept": _("NOT saved. Please write it on paper and tap again."),
        "not_kept_full": _("NOT saved: this phone is full. Make room, then tap again."),
        "differs": _("Somebody else saved this child meanwhile. Tap the level that is right."),
        "yours": _("Yours"),
        "server_has": _("On the server"),
        "tested": _("{n} tested"),
        "absent_n": _("{n} absent"),
        "to_do": _("{n} to do"),
        "of": _("of {n}"),
        "attendance": _("Attendance"),
        "day": _("Date"),
        "minutes": _("Minutes taught"),
        "activity": _("What was done"),
        "save_attendance": _("Save the attendance"),
        "saved_attendance": _("Saved on this phone: {present} of {all} there."),
        "all_present": _("Everybody is present"),
        "classes": _("Classes"),
        "no_round": _("No round is open now. You can look, but results can't be entered."),
        "no_classes": _("There are no children here."),
        "date_of_test": _("Date of the test"),
        "test": _("Test {name}"),
        "test_next": _("Test the next child"),
        "home": _("All classes"),
        "to_look_at": _("To look at"),
        "waiting": _("Waiting to be sent"),
        "nothing_waits": _("Nothing waits on this phone."),
        "use_mine": _("Use mine"),
        "use_theirs": _("Leave what is on the server"),
        "send_again": _("Send again"),
        "change_day": _("Another day"),
        "take_out": _("Remove from this phone"),
        "sure": _("It is not on the server. Really remove it?"),
        "after_other": _("Sent after the one before it"),
        "child_gone": _("A child that is no longer in this pack"),
        "fetch_again": _("Fetch my work again"),
        "fetched": _("As of {moment}"),
        "fetch_failed": _("It could not be fetched now; what is here stays."),
        "cut": _("Not all fits on a phone: at most {most} children are kept. Not here: {schools}"),
        "cut_children": _("Not all children of this school fit on a phone: {most} are kept."),
        "to_file": _("Save what is not sent to a file"),
        "from_file": _("Open a file from another phone"),
        "file_wrong": _("This file is not whole, or its PIN is another."),
        "file_of_other": _("This file is another person’s work. Open it under their name."),
        "file_read": _("Read from the file: {n}."),
        "lock": _("Lock"),
        "remove": _("Remove my work from this phone"),
        "remove_sure": _("{n} entries are not on the server yet. Send them or save them to a file first."),
        "remove_ok": _(
            "The children and classes are removed from this phone. They can be fetched again with a network."
        ),
        "clock_wrong": _(
            "The clock of this phone is wrong: it says {here}, and it is {there}. Dates are taken from the server."
        ),
        "new_version": _("A new version of this page is here."),
        "use_new": _("Use it"),
        "evicted": _(
            "This browser may remove what is kept here when it needs room. Put this page on the home screen to prevent that."
        ),
        "more_deeds": _("More"),
        "needs_network": _("That page needs a network. Here is what works without one."),
        "phone_ended": _(
            "This phone was ended. The children are removed from it; what was not sent is kept. Sign in to go on."
        ),
        "another_tab": _("Another window sends now."),
        "child_of_level": _("{name}: {level}"),
        "exercise_due": _("Before your levels in {subject} are taken, pass an exercise for testers."),
        "exercises": _("Exercises for testers"),
        **visit_words(language),
        **child_words(language),
    }


def visit_words(language: Language) -> dict[str, Any]:
    """The texts of visits without a network."""
    _ = language.gettext
    return {
        "visits": _("Visits"),
        "visit": _("Visit"),
        "new_visit": _("New visit"),
        "draft": _("Draft"),
        "finished": _("Finished"),
        "subject_word": _("Subject"),
        "school": _("School"),
        "teacher": _("Teacher"),
        "begin": _("Begin"),
        "no": _("No"),
        "unknown": _("Don’t know"),
        "no_answer": _("No answer"),
        "signature_hint": _("Name, as a signature"),
        "place_hint": _("Latitude and longitude, as 11.56, 104.92"),
        "take_place": _("Take it from this phone"),
        "at_least": _("At least {least}"),
        "at_most": _("At most {most}"),
        "a_number": _("This is not a number that fits here"),
        "does_not_fit": _("This answer does not fit what the form says of it"),
        "form_missing": _(
            "The form of this visit is not on this phone. Fetch your work again with a network."
        ),
        "visit_differs": _("This visit was changed elsewhere too. Look at both and choose."),
        "finished_here": _(
            "The visit is finished. It is kept on this phone and sent when there is a network."
        ),
        "finished_there": _("The visit is finished and on the server."),
        "change_again": _("Change it again"),
        "not_kept_form": _("NOT saved. Leave this page open and tap again."),
        "fill_in": _("Please fill this in"),
        "open_questions": _("Questions that are open: {n}"),
        "finish": _("Finish the visit"),
        "later": _("Go on later"),
        "photos": _("Photos"),
        "photo": _("A photo of a visit"),
        "none": _("None."),
        "add_photo": _("A photo (JPEG, PNG or WebP)"),
        "no_picture": _("This file is no picture that this phone can read."),
        "open_visit": _("Open the visit"),
        "sign_here": _("Sign here with a finger"),
        "draw_again": _("Draw it again"),
        "follow_up": _("Follow-up action"),
        "follow_ups": _("Follow-up actions"),
        "follow_mine": _("What was agreed with me"),
        "follow_what": _("What is to be done"),
        "follow_who": _("Who"),
        "follow_until": _("Until when"),
        "follow_add": _("Agree on something"),
        "follow_close": _("Close"),
        "follow_how": _("What was done, or why not"),
        "follow_done": _("Done"),
        "follow_given_up": _("Give up"),
    }


def child_words(language: Language) -> dict[str, Any]:
    """The texts of re-tests, new children and groups without a network."""
    _ = language.gettext
    return {
        "test_again": _("Test again"),
        "quick": _("Quick re-tests"),
        "quick_hint": _("What they suggest for the groups is told with a network."),
        "children_again": _("Children to test again"),
        "to_do_word": _("To do"),
        "agreed": _("Agrees: {level}"),
        "disagreed": _("Differs: first {first}, now {level}"),
        "blind_hint": _(
            "What the first test said is not on this phone. It is told when yours is on the server."
        ),
        "run_test": _("Run the test on this screen"),
        "level_now": _("Level"),
        "other_tool": _("The first test was done with tool {tool}. Take another one."),
        "retest_refusal": {code: _(text) for code, text in RETEST_REFUSALS.items()},
        "code": _("Code"),
        "name": _("Name"),
        "sex": _("Sex"),
        "boy": _("Boy"),
        "girl": _("Girl"),
        "class_word": _("Class"),
        "no_class": _("Without a class"),
        "grade_word": _("Grade"),
        "add_child": _("Add a child"),
        "new_child": _("New child"),
        "save_child": _("Save the child"),
        "code_taken": _("Another child of this school has this code"),
        "same_name": _("{name} ({code}) is here already. Is it another child? Then tap again."),
        "is_child": _("It is {name}"),
        "for_kept_child": _("Enter it for the record that was kept"),
        "sure_with": _("It is not on the server. Really remove it, with {n} entries that need it?"),
        "groups": _("Groups"),
        "move_to": _("Move to"),
        "hidden": _("Children who are to be tested again are not shown here."),
        "rules": {each: language.rule(each) for each in TOLD_RULES},
    }
