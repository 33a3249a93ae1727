"""Scales: which there are, the editor with its preview, versions, files, and the colours as a style sheet."""

from __future__ import annotations

from typing import Final

import msgspec

from flatwater.contract import Html, Raw, Redirect, Upload
from rightlevel.programme import scales
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.levels import TASKS_ASKED, TEXTS, TIMED, Fork, Onward, Threshold
from rightlevel.programme.permissions import May, Subject
from rightlevel.programme.results import read_guided_rules
from rightlevel.programme.scales import (
    MOST_RUNGS,
    ChosenScale,
    Climb,
    NewScale,
    Rung,
    ScaleChange,
    ScaleRow,
    ScaleSearch,
    ScaleText,
    colour_notes,
    entered_directly,
    scale_of_text,
)
from rightlevel.programme.scales.colours import text_on
from rightlevel.web.feature import IN_PAGES, Deeds
from rightlevel.web.language import N_, languages_in
from rightlevel.web.request import CLASS_BODY, Request, actor_of
from rightlevel.web.templating import done, language_of, render
from rightlevel.web.words import level_name, word

CHANGES: Final = May("change", "scale")
JSON: Final = "application/json"
CSS: Final = "text/css; charset=utf-8"
_encoder = msgspec.json.Encoder()
_NO_FILE: Final = N_(
    "This is no scale as it is taken out of here: a JSON file with subject, name, rungs and climb"
)


class ByKey(msgspec.Struct, frozen=True):
    """A path with a scale's key in it."""

    key: str


class Scales(msgspec.Struct, frozen=True):
    """Every version of every scale, the program's own first."""

    scales: list[ScaleRow]


class CopyForm(msgspec.Struct, frozen=True):
    """Under which name a copy is begun."""

    name: str = ""


routes = Deeds("scales", "scale")
routes.answers(
    "list_all_scales",
    "GET /api/v1/scales",
    scales.list_scales,
    ScaleSearch,
    gives=Scales,
    says="Every version of every scale: its rungs, its state, and how many rounds it measures.",
)
routes.answers("read_one_scale", "GET /api/v1/scales/{key}", scales.read_scale, path=ByKey)
routes.answers(
    "begin_scale",
    "POST /api/v1/scales",
    scales.start_scale,
    NewScale,
    may="change",
    body_bytes=CLASS_BODY,
    made="/api/v1/scales/{made.row.key}",
    made_is="begun, as a draft",
    says="Begins a draft: a copy of a version, or what a file says.",
)
routes.answers(
    "change_one_scale",
    "PUT /api/v1/scales/{key}",
    scales.change_scale,
    ScaleChange,
    path=ByKey,
    may="change",
    body_bytes=CLASS_BODY,
    says="What a draft is from now on.",
)
routes.does(
    scales.publish_scale,
    ChosenScale,
    json=("publish_one_scale", "POST /api/v1/scales/{key}/publish"),
    html=("post_publish_scale", "/scales/{key}/publish"),
    then="/scales/{path.key}",
    path=ByKey,
    may="publish",
    says="Makes a draft a version that never changes again.",
)
routes.does(
    scales.retire_scale,
    ChosenScale,
    json=("retire_one_scale", "POST /api/v1/scales/{key}/retire"),
    html=("post_retire_scale", "/scales/{key}/retire"),
    then="/scales/{path.key}",
    path=ByKey,
    may="publish",
    says="A version that no new round is measured by.",
)
routes.does(
    scales.drop_draft,
    None,
    json=("drop_draft_of_scale", "DELETE /api/v1/scales/{key}"),
    html=("post_drop_scale", "/scales/{key}/drop"),
    then="/scales",
    path=ByKey,
    may="change",
    says="Takes a draft away for good.",
)


@routes.get("/scales", CHANGES, **IN_PAGES)
async def scales_page(request: Request) -> Html:
    """Every version of every scale, and where a file of one is taken in."""
    rows = await scales.list_scales(request.session, actor_of(request), ScaleSearch())
    return render(request, "scales/list.html", rows=rows)


@routes.get("/scales/{key}", CHANGES, **IN_PAGES)
async def scale_page(request: Request, *, path: ByKey) -> Html:
    """One version as people will see it: its ladder and legend, and each way through the guided test."""
    shown = await scales.read_scale(request.session, actor_of(request), path.key)
    text = shown.text
    scale = scale_of_text(text, shown.row.key, shown.row.version)
    rules = await read_guided_rules(request.session, actor_of(request), is_general=True)
    notes = colour_notes([rung.colour for rung in text.rungs])
    return render(
        request,
        "scales/one.html",
        shown=shown,
        row=shown.row,
        scale=scale,
        tasks=[task for task in TASKS_ASKED[text.subject] if task in scale.after],
        thresholds=rules.thresholds | (text.climb.thresholds or {}),
        notes=notes,
        direct=entered_directly(text.climb, scale.codes),
        legend=[
            {
                "rank": level.rank,
                "name": level_name(language_of(request), level),
                "count": 10,
                "share": 1 / len(scale),
            }
            for level in scale
        ],
        read_languages=list(languages_in(request.app.languages).values()),
    )


@routes.post("/scales/{key}/copy", CHANGES, **IN_PAGES)
async def post_copy_scale(request: Request, *, path: ByKey, form: CopyForm) -> Redirect:
    """A draft that begins as a copy of a version, and the editor with it."""
    new = NewScale(copy_of=path.key, name=form.name or None)
    made = await scales.start_scale(request.session, actor_of(request), new, request.clock)
    return done(request, f"/scales/{made.row.key}/edit", language_of(request).gettext("A draft was begun."))


@routes.post("/scales", CHANGES, body_bytes=CLASS_BODY, **IN_PAGES)
async def post_import_scale(request: Request, *, upload: Upload | None) -> Redirect:
    """A draft as a file says, taken out here or in another programme."""
    if upload is None or not upload.size_bytes:
        raise Invalid(faults=(Fault("file", "Please fill this in"),))
    try:
        text = msgspec.json.decode(upload.path.read_bytes(), type=ScaleText)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(faults=(Fault("file", _NO_FILE, str(error)[:60]),)) from error
    made = await scales.start_scale(request.session, actor_of(request), NewScale(text=text), request.clock)
    return done(request, f"/scales/{made.row.key}/edit", language_of(request).gettext("A draft was begun."))


@routes.get("/scales/{key}/file", CHANGES, media=(JSON,), **IN_PAGES)
async def scale_file(request: Request, *, path: ByKey) -> Raw:
    """A version as a file, to be taken in elsewhere."""
    shown = await scales.read_scale(request.session, actor_of(request), path.key)
    content = msgspec.json.format(_encoder.encode(shown.text), indent=2)
    name = f"scale-{shown.row.subject}-{shown.row.version}.json"
    return Raw(content, JSON, headers={"content-disposition": f'attachment; filename="{name}"'})


@routes.get("/scales/{key}/colours.css", May("read", "scale"), media=(CSS,), tags=("pages",))
async def scale_sheet(request: Request, *, path: ByKey) -> Raw:
    """The colours of a version, by rank, over those of the program's own scale."""
    shown = await scales.read_scale(request.session, actor_of(request), path.key)
    lines = [
        f"--level-{rank}: {rung.colour}; --on-level-{rank}: {text_on(rung.colour)};"
        for rank, rung in enumerate(shown.text.rungs, start=1)
    ]
    kept = "private, max-age=31536000, immutable" if shown.row.state != "draft" else "no-store"
    return Raw(f":root {{ {' '.join(lines)} }}\n".encode(), CSS, headers={"cache-control": kept})


@routes.get("/scales/{key}/edit", CHANGES, **IN_PAGES)
async def edit_scale_page(request: Request, *, path: ByKey) -> Html:
    """The editor of a draft: rungs, labels and colours, how the test climbs, what passes, which rungs figures speak of."""
    shown = await scales.read_scale(request.session, actor_of(request), path.key)
    text = shown.text
    rules = await read_guided_rules(request.session, actor_of(request), is_general=True)
    _, code = language_of(request).gettext, language_of(request).code
    rungs = [(rung.code, rung.labels.get(code) or rung.labels["en"]) for rung in text.rungs]
    begins = {band[0] for band in text.climb.bands[1:]}
    return render(
        request,
        "scales/form.html",
        shown=shown,
        row=shown.row,
        text=text,
        climb=text.climb,
        slots=[*text.rungs, *[None] * (MOST_RUNGS - len(text.rungs))],
        begins=begins,
        tasks=TASKS_ASKED[text.subject],
        rungs=rungs,
        ways=[
            *(
                (f"task:{task}", _("Next: {task}", task=_(word("task", task))))
                for task in TASKS_ASKED[text.subject]
            ),
            *((f"level:{code}", _("Level: {level}", level=name)) for code, name in rungs),
        ],
        texts=TEXTS,
        timed=TIMED,
        thresholds=rules.thresholds | (text.climb.thresholds or {}),
        read_languages=list(languages_in(request.app.languages).values()),
    )


@routes.post("/scales/{key}/edit", CHANGES, body_bytes=CLASS_BODY, **IN_PAGES)
async def post_change_scale(request: Request, *, path: ByKey, form: dict[str, list[str]]) -> Redirect:
    """Keeps a draft as the editor has it; a slot without a code is no rung."""
    there = await scales.read_scale(request.session, actor_of(request), path.key)
    change = ScaleChange(_text_of(form, there.text.subject, there.text.name), _whole(form, "edited"))
    await scales.change_scale(request.session, actor_of(request), path.key, change, request.clock)
    return done(request, f"/scales/{path.key}", language_of(request).gettext("Saved."))


def _said(form: dict[str, list[str]], name: str) -> str:
    return form.get(name, [""])[0].strip()


def _whole(form: dict[str, list[str]], name: str, default: int = 0) -> int:
    """A whole number in any script's digits. *Errors*: Invalid at its field."""
    text = _said(form, name)
    if not text:
        return default
    if not text.isdecimal() or len(text) > 6:
        raise Invalid(faults=(Fault(name, "A whole number", text[:20]),))
    return int(text)


def _text_of(form: dict[str, list[str]], subject: Subject, name: str) -> ScaleText:
    rungs: list[Rung] = []
    bands: list[list[str]] = []
    for at in range(MOST_RUNGS):
        code = _said(form, f"rungs.{at}.code")
        if not code:
            continue
        labels = {
            field.rpartition(".")[2]: _said(form, field)
            for field in form
            if field.startswith(f"rungs.{at}.labels.") and _said(form, field)
        }
        rungs.append(Rung(code, _said(form, f"rungs.{at}.colour").lower(), labels))
        if not bands or f"rungs.{at}.begins" in form:
            bands.append([])
        bands[-1].append(code)
    return ScaleText(subject, name, rungs, _climb_of(form, subject, bands))


def _climb_of(form: dict[str, list[str]], subject: Subject, bands: list[list[str]]) -> Climb:
    after: dict[str, Fork] = {}
    own: dict[str, Threshold] = {}
    for task in TASKS_ASKED[subject]:
        field = f"climb.after.{task}"
        passed, failed = _said(form, f"{field}.passed"), _said(form, f"{field}.failed")
        if not passed and not failed:
            continue
        after[task] = Fork(_onward(passed), _onward(failed), _said(form, f"{field}.tests"))
        own[task] = _threshold(form, task)
    has_own = "climb.own_thresholds" in form
    return Climb(
        _said(form, "climb.first"),
        after,
        _said(form, "climb.goal"),
        _said(form, "climb.near"),
        _said(form, "climb.low"),
        thresholds=own if has_own else None,
        bands=bands,
    )


def _onward(text: str) -> Onward:
    kind, _, code = text.partition(":")
    return Onward(code, None) if kind == "task" else Onward(None, code or None)


def _threshold(form: dict[str, list[str]], task: str) -> Threshold:
    field = f"climb.thresholds.{task}"
    if task in TEXTS:
        return Threshold(most_mistakes=_whole(form, f"{field}.mistakes"))
    seconds = _whole(form, f"{field}.seconds") or None
    return Threshold(_whole(form, f"{field}.items", 1), _whole(form, f"{field}.needed", 1), seconds=seconds)
