"""A page with one of its forms as it was sent: what was typed stands in its fields, each fault at its field, the first with the focus.

It works on the page as it is rendered, so that no template and no handler has to know of it: which fields a form has, how they are
called and in which order they stand is read off the page itself. What the page shows in a field is what is kept on the server; where
that is not what was typed, both can be shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from html.parser import HTMLParser

import msgspec

VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
NEVER_REPEATED = frozenset({"password", "file", "hidden", "submit", "button", "image", "reset"})
"""Kinds of inputs that keep what the page gives them: secrets are typed again, and what is hidden belongs to the page."""
SUMMARY = "faults"


class Wrong(msgspec.Struct, frozen=True):
    """One fault as a person reads it: the field it is about, how that is called where no label says it, and the rule."""

    field: str
    name: str
    text: str


class Line(msgspec.Struct, frozen=True):
    """A line of the summary: where it leads (nowhere without an id), the label there, and the text."""

    id: str
    label: str
    text: str


class Both(msgspec.Struct, frozen=True):
    """A field that was typed otherwise than it stands on the server."""

    label: str
    there: str
    typed: str


class Summary(msgspec.Struct, frozen=True):
    """What is told above a form: the faults in the order of its fields, and what stands otherwise on the server."""

    lines: tuple[Line, ...]
    both: tuple[Both, ...]
    is_found: bool
    """Whether the page still has the form; without it what was typed is only listed."""


class _Control(msgspec.Struct):
    """One input, select or textarea of a form: the number of its tag, and what a person sees of it."""

    at: int
    tag: str
    name: str
    kind: str
    value: str
    id: str = ""
    label: str = ""
    is_on: bool = False
    options: list[tuple[str, str, bool]] = []
    details: tuple[int, ...] = ()
    box: int = -1
    """The number of the fieldset's or label's tag around it, at whose id a link may lead."""


class _Form(msgspec.Struct):
    at: int
    action: str
    method: str
    details: tuple[int, ...]
    controls: list[_Control] = []

    def named(self, name: str) -> list[_Control]:
        return [each for each in self.controls if each.name == name]


class _Reading(HTMLParser):
    """Reads the forms of a page: their fields in order with their labels. Tags are numbered as they come."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[_Form] = []
        self.ids: dict[str, int] = {}
        self.ids_at: dict[int, str] = {}
        self.labels_for: dict[tuple[int, str], str] = {}
        self.told: set[tuple[int, str]] = set()
        self._by_id: dict[str, _Form] = {}
        self._waiting: list[tuple[str, _Control]] = []
        self._n = -1
        self._open: _Form | None = None
        self._stack: list[tuple[str, int, dict[str, str]]] = []
        self._text: list[str] | None = None
        self._labelled: list[_Control] = []
        self._label: list[str] = []
        self._legends: dict[int, str] = {}
        self._select: _Control | None = None
        self._option: list[str] = []
        self._area: _Control | None = None
        self.feed(text)
        self.close()
        for owner, control in self._waiting:
            if owner in self._by_id:
                self._by_id[owner].controls.append(control)
        for form in self.forms:
            for control in form.controls:
                self._name(form, control)

    def _name(self, form: _Form, control: _Control) -> None:
        legend = self._legends.get(control.box, "")
        own = self.labels_for.get((form.at, control.id), "") if control.id else ""
        if control.kind in ("radio", "checkbox") and legend:
            control.label = legend
        else:
            control.label = own or control.label or legend

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._n += 1
        at = {name: value or "" for name, value in attrs}
        if "id" in at:
            self.ids[at["id"]] = self.ids.get(at["id"], 0) + 1
            self.ids_at[self._n] = at["id"]
        if tag == "form":
            details = tuple(n for name, n, _ in self._stack if name == "details")
            self._open = _Form(self._n, at.get("action", ""), at.get("method", "get").lower(), details, [])
            self.forms.append(self._open)
            if "id" in at:
                self._by_id[at["id"]] = self._open
        elif tag in ("input", "textarea", "select") and at.get("name"):
            self._control(tag, at)
        elif tag == "option" and self._select is not None:
            self._option = []
            self._select.options.append((at.get("value", "\0"), "", "selected" in at))
        elif tag == "label":
            self._label, self._labelled = [], []
        if at.get("id", "").startswith("e-") and self._open is not None:
            self.told.add((self._open.at, at["id"][2:]))
        if tag not in VOID:
            self._stack.append((tag, self._n, at))

    def _control(self, tag: str, at: dict[str, str]) -> None:
        kind = at.get("type", "text") if tag == "input" else tag
        box = next((n for name, n, _ in reversed(self._stack) if name == "fieldset"), -1)
        control = _Control(
            self._n,
            tag,
            at["name"],
            kind,
            at.get("value", "on" if kind in ("radio", "checkbox") else ""),
            id=at.get("id", ""),
            is_on="checked" in at,
            options=[],
            details=tuple(n for name, n, _ in self._stack if name == "details"),
            box=box,
        )
        if tag == "select":
            self._select = control
        elif tag == "textarea":
            self._area = control
        if any(name == "label" for name, _, _ in self._stack):
            self._labelled.append(control)
        if "form" in at and at["form"] not in self._by_id:
            self._waiting.append((at["form"], control))
            return
        owner = self._by_id[at["form"]] if "form" in at else self._open
        if owner is not None:
            owner.controls.append(control)

    def handle_endtag(self, tag: str) -> None:
        while any(name == tag for name, _, _ in self._stack):
            name, _, at = self._stack.pop()
            if name == "label" and tag == "label":
                self._end_label(at)
            if name == tag:
                break
        if tag == "form":
            self._open = None
        elif tag == "option" and self._select is not None and self._select.options:
            value, _, is_on = self._select.options[-1]
            text = _plain("".join(self._option))
            self._select.options[-1] = (text if value == "\0" else value, text, is_on)
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._area = None

    def _end_label(self, at: dict[str, str]) -> None:
        text = _plain("".join(self._label))
        for control in self._labelled:
            control.label = control.label or text
        if at.get("for") and self._open is not None:
            self.labels_for[(self._open.at, at["for"])] = text
        self._labelled = []

    def handle_data(self, data: str) -> None:
        tags = [name for name, _, _ in self._stack]
        classes = {word for _, _, at in self._stack for word in at.get("class", "").split()}
        if self._area is not None:
            self._area.value += data
            return
        if self._select is not None:
            self._option.append(data)
            return
        if "optional" in classes or "fault" in classes:
            return
        if "label" in tags:
            self._label.append(data)
        elif tags and tags[-1] == "legend":
            box = next((n for name, n, _ in reversed(self._stack) if name == "fieldset"), -1)
            self._legends[box] = _plain(self._legends.get(box, "") + data)


def _plain(text: str) -> str:
    return " ".join(text.split())


def _chosen(form: _Form, name: str) -> list[str]:
    """What the page has in a field: several values for boxes of one name."""
    found: list[str] = []
    for each in form.named(name):
        if each.kind in ("radio", "checkbox"):
            found += [each.value] if each.is_on else []
        elif each.tag == "select":
            on = [value for value, _, is_on in each.options if is_on] or [v for v, _, _ in each.options[:1]]
            found += on
        else:
            found.append(each.value.removeprefix("\n") if each.tag == "textarea" else each.value)
    return found


def _which(forms: Sequence[_Form], action: str, sent: Mapping[str, Sequence[str]]) -> _Form | None:
    """The form that was sent: by its address, and by what is hidden in it where several go to one."""
    path = action.split("?")[0]
    near = [each for each in forms if each.method == "post" and each.action.split("?")[0] == path]

    def likeness(form: _Form) -> tuple[int, int, int]:
        hidden = [each for each in form.controls if each.kind == "hidden"]
        same = sum(1 for each in hidden if each.value and each.value in sent.get(each.name, ()))
        names = {each.name for each in form.controls}
        return (form.action == action, len(names & sent.keys()) - len(names - sent.keys() - {""}), same)

    return max(near, key=likeness, default=None)


class FormAgain:
    """Puts what was sent into a page.

    Shape: `FormAgain(page, action, sent, faults)` finds the form; `summary` is what to tell; `text(block)` is the page with the block
    (the summary, rendered) before the form. `proposed` are fields in which the page knows better than who typed;
    with `choose_again` a file came along, of which that text is told at its field; with `write_id` the form goes on being that one write, where nobody knows whether it was done.
    *Cost*: two passes over the page, about 10 ms for 100 kB; only where something was refused.
    """

    def __init__(
        self,
        page: str,
        action: str,
        sent: Mapping[str, Sequence[str]],
        faults: Sequence[Wrong] = (),
        *,
        is_stale: bool = False,
        proposed: frozenset[str] = frozenset(),
        write_id: str = "",
        choose_again: str = "",
    ) -> None:
        self._page = page
        self.write_id = write_id
        self.sent = sent
        self.proposed = proposed
        self.read = _Reading(page)
        self.form = _which(self.read.forms, action, sent)
        self.new_ids: dict[int, str] = {}
        self.faults = [*faults, *self._lost_file(faults, choose_again)]
        self.texts: dict[str, list[str]] = {}
        """What is told of a field, by its name; of one of several of a name, by `name.2`."""
        self.summary = self._summarise(is_stale=is_stale)

    def _lost_file(self, faults: Sequence[Wrong], text: str) -> list[Wrong]:
        """No page can put a file back into its field: that it must be chosen anew is said there, unless something else is."""
        files = [each for each in self.form.controls if each.kind == "file"] if self.form is not None else []
        told = {each.field for each in faults}
        return [Wrong(each.name, "", text) for each in files if text and each.name not in told]

    def _summarise(self, *, is_stale: bool) -> Summary:
        form = self.form
        if form is None:
            lines = tuple(Line("", each.name, each.text) for each in self.faults)
            return Summary(lines, (), is_found=False)
        order = {id(each): n for n, each in enumerate(form.controls)}
        placed: list[tuple[int, Line]] = []
        for fault in self.faults:
            control = self._control_of(form, fault.field)
            if control is None:
                placed.append((len(order), Line("", fault.name, fault.text)))
                continue
            self.texts.setdefault(self._key_of(form, control, fault.field), []).append(fault.text)
            placed.append(
                (order[id(control)], Line(self._id_of(control), control.label or fault.name, fault.text))
            )
        lines = tuple(line for _, line in sorted(placed, key=lambda each: each[0]))
        return Summary(lines, self._differing(form) if is_stale else (), is_found=True)

    def _control_of(self, form: _Form, field: str) -> _Control | None:
        """The first control that a fault is about: by its name, or by the last part of `rows.0.name`."""
        for name in (field, field.rsplit(".", 1)[-1]):
            seen = [
                each
                for each in form.controls
                if (each.name == name or each.name.startswith(name + "."))
                and each.kind not in NEVER_REPEATED - {"password", "file"}
            ]
            if seen:
                return seen[0]
        return self._one_of_several(form, field)

    def _one_of_several(self, form: _Form, field: str) -> _Control | None:
        """The control of `name.2`: the third of those that are called `name`."""
        name, _, number = field.rpartition(".")
        several = [each for each in form.named(name) if each.kind not in NEVER_REPEATED]
        is_there = number.isascii() and number.isdigit() and int(number) < len(several)
        return several[int(number)] if is_there else None

    def _key_of(self, form: _Form, control: _Control, field: str) -> str:
        return field if control is self._one_of_several(form, field) else control.name

    def key_of(self, control: _Control) -> str:
        """Under which key something is told of a control: its number's, where that is told, else its name."""
        several = [each.at for each in self.form.named(control.name)] if self.form is not None else []
        numbered = f"{control.name}.{several.index(control.at)}" if control.at in several else ""
        return numbered if numbered in self.texts else control.name

    def _id_of(self, control: _Control) -> str:
        box = self.read.ids_at.get(control.box, "")
        if control.kind in ("radio", "checkbox") and box and self.read.ids[box] == 1:
            return box
        if control.id and self.read.ids[control.id] == 1:
            return control.id
        self.new_ids[control.at] = f"again-{control.name}"
        return self.new_ids[control.at]

    def _differing(self, form: _Form) -> tuple[Both, ...]:
        found: list[Both] = []
        for name in dict.fromkeys(each.name for each in form.controls if each.kind not in NEVER_REPEATED):
            there, typed = _chosen(form, name), list(self.sent.get(name, ()))
            if [each.strip() for each in there if each] != [each.strip() for each in typed if each]:
                label = form.named(name)[0].label
                found.append(Both(label, self._words(form, name, there), self._words(form, name, typed)))
        return tuple(found)

    def _words(self, form: _Form, name: str, values: Sequence[str]) -> str:
        texts = {value: text for each in form.named(name) for value, text, _ in each.options}
        texts |= {
            each.value: self.read.labels_for.get((form.at, each.id), "") or each.value
            for each in form.named(name)
            if each.kind in ("radio", "checkbox")
        }
        return ", ".join(texts.get(each) or each for each in values if each)

    def text(self, block: str) -> str:
        """The page with the form as it was sent. `block` is the summary's HTML, put before the form in place of the page's own."""
        writing = _Writing(self, block)
        return writing.written(self._page)

    @property
    def first_wrong(self) -> int | None:
        """The number of the first control that is at fault."""
        if self.form is None:
            return None
        return next((each.at for each in self.form.controls if self.key_of(each) in self.texts), None)


class _Writing(HTMLParser):
    """Writes a page out again as it is, but for the one form."""

    def __init__(self, again: FormAgain, block: str) -> None:
        super().__init__(convert_charrefs=False)
        self._again = again
        form = again.form
        self._form = form
        self._controls = {each.at: each for each in form.controls} if form is not None else {}
        self._details = frozenset(form.details) if form is not None else frozenset[int]()
        for each in self._controls.values():
            if again.key_of(each) in again.texts:
                self._details |= set(each.details)
        self._has_own = SUMMARY in again.read.ids
        self._is_seen = form is not None and any(each.kind not in NEVER_REPEATED for each in form.controls)
        self._block = block
        self._first = again.first_wrong
        self._n = -1
        self._out: list[str] = []
        self._skip_until = ""
        self._depth = 0
        self._select: _Control | None = None
        self._area = False
        self._told: set[str] = set()
        self._typed_areas: dict[str, int] = {}
        self._in_form = False
        self._stack: list[tuple[str, int]] = []

    def written(self, page: str) -> str:
        self.feed(page)
        self.close()
        return "".join(self._out)

    def handle_decl(self, decl: str) -> None:
        self._put(f"<!{decl}>")

    def handle_comment(self, data: str) -> None:
        self._put(f"<!--{data}-->")

    def handle_entityref(self, name: str) -> None:
        self._data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._data(f"&#{name};")

    def handle_data(self, data: str) -> None:
        self._data(data)

    def _data(self, data: str) -> None:
        if not self._area:
            self._put(data)

    def _put(self, text: str) -> None:
        if not self._skip_until:
            self._out.append(text)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._n += 1
        at = {name: value or "" for name, value in attrs}
        raw = self.get_starttag_text() or ""
        if self._skip_until:
            self._depth += tag == self._skip_until
            return
        if at.get("id") == SUMMARY:
            self._put(self._block)
            self._skip_until, self._depth = tag, 1
            return
        if tag == "form" and self._form is not None and self._n == self._form.at:
            self._in_form = True
            if not self._has_own and self._is_seen:
                self._put(self._block)
        if tag not in VOID:
            self._stack.append((tag, self._n))
        if self._n in self._details and "open" not in at:
            raw = raw[:-1] + " open>"
        control = self._controls.get(self._n)
        if control is not None:
            self._control(tag, at, raw, control)
        elif tag == "label" and self._in_form and (new := self._new_id(at.get("for", ""))):
            self._put(_tag(tag, at | {"for": new}))
        elif tag == "option" and self._select is not None:
            self._option(at, raw)
        else:
            self._put(raw)
        if tag == "main" and not self._has_own and not self._is_seen:
            self._put(self._block)

    def _new_id(self, old: str) -> str:
        """The id that a control of this form has now, where its own stands on the page more than once."""
        if not old:
            return ""
        return next(
            (new for n, new in self._again.new_ids.items() if self._again.read.ids_at.get(n) == old), ""
        )

    def _control(self, tag: str, at: dict[str, str], raw: str, control: _Control) -> None:
        again, name = self._again, control.name
        key = again.key_of(control)
        texts = again.texts.get(key, [])
        is_told = self._form is not None and (self._form.at, name) in again.read.told
        if texts and key not in self._told:
            self._told.add(key)
            is_in_legend_box = control.kind in ("radio", "checkbox") and control.box >= 0
            if not is_told:
                note = f'<span class="fault" id="e-again-{escape(key)}">{escape(". ".join(texts))}</span>'
                if is_in_legend_box or control.kind in ("radio", "checkbox"):
                    self._before_chips(note, control)
                else:
                    self._put(note)
                at["aria-describedby"] = f"e-again-{key} {at.get('aria-describedby', '')}".strip()
        if texts:
            at["aria-invalid"] = "true"
        if control.at in again.new_ids:
            at["id"] = again.new_ids[control.at]
        if control.at == self._first:
            at["autofocus"] = ""
        else:
            at.pop("autofocus", None)
        if name == "write_id" and control.kind == "hidden" and again.write_id:
            at["value"] = again.write_id
        is_typed = control.kind not in NEVER_REPEATED and name not in again.proposed and bool(again.sent)
        if tag == "textarea":
            self._put(_tag(tag, at))
            self._area = is_typed
            if is_typed:
                self._put("\n" + escape(self._next_value(name)))
            return
        if tag == "select":
            self._select = control if is_typed else None
            self._put(_tag(tag, at))
            return
        if is_typed:
            if control.kind in ("radio", "checkbox"):
                at.pop("checked", None)
                if control.value in again.sent.get(name, ()):
                    at["checked"] = ""
            elif name in again.sent:
                at["value"] = self._next_value(name)
        self._put(_tag(tag, at))

    def _before_chips(self, note: str, control: _Control) -> None:
        """Puts a fault of chips before the row of chips: the labels around the first of them have just been written."""
        at = len(self._out)
        for n in range(len(self._out) - 1, -1, -1):
            if self._out[n].startswith(("<label", '<div class="chip-row"')):
                at = n
                if self._out[n].startswith("<div"):
                    break
            elif self._out[n].strip() and not self._out[n].isspace():
                break
        self._out.insert(at, note)

    def _next_value(self, name: str) -> str:
        values = self._again.sent.get(name, ())
        n = self._typed_areas.get(name, 0)
        self._typed_areas[name] = n + 1
        return values[min(n, len(values) - 1)] if values else ""

    def _option(self, at: dict[str, str], raw: str) -> None:
        select = self._select
        assert select is not None  # noqa: S101  asked just before
        sent = self._again.sent.get(select.name, ())
        known = {value for value, _, _ in select.options}
        if not any(each in known for each in sent) and any(sent):
            self._put(raw)  # what was sent can't be chosen here: the page's own choice stays
            return
        at.pop("selected", None)
        if at.get("value", "") in sent or (not any(sent) and at.get("value") == ""):
            at["selected"] = ""
        self._put(_tag("option", at))

    def handle_endtag(self, tag: str) -> None:
        if self._skip_until:
            self._depth -= tag == self._skip_until
            if self._depth == 0:
                self._skip_until = ""
            return
        if tag == "textarea":
            self._area = False
        elif tag == "select":
            self._select = None
        elif tag == "form":
            self._in_form = False
        self._put(f"</{tag}>")


def _tag(tag: str, at: Mapping[str, str]) -> str:
    bare = {
        "checked",
        "selected",
        "required",
        "autofocus",
        "disabled",
        "multiple",
        "readonly",
        "hidden",
        "open",
        "data-needs-script",
    }
    parts = [
        name if name in bare and value == "" else f'{name}="{escape(value)}"' for name, value in at.items()
    ]
    return f"<{' '.join([tag, *parts])}>"
