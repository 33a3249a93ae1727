"""Pages as a browser without JavaScript uses them: the forms as they were rendered, everything in them sent back."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    """One form: where it goes, what it sends when nothing is touched, and what may be chosen."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    is_file: bool = False
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of each field, what its tag says of it (the first tag where there are several), with the tag's own name as `tag`."""

    @property
    def names(self) -> set[str]:
        """Every field that the form has, ticked or not."""
        return {name for name, _ in self.fields} | set(self.choices) | {name for name, _ in self.buttons}

    @property
    def shown(self) -> dict[str, dict[str, str]]:
        """The fields that a person sees and can fill, with what their tags say."""
        return {name: at for name, at in self.attributes.items() if at.get("type") != "hidden"}

    def filled(self, **typed: object) -> list[tuple[str, str]]:
        """What is sent when these are typed in and everything else is left as it was. None takes a field out."""
        sent = [(name, value) for name, value in self.fields if name not in typed]
        for name, value in typed.items():
            values = value if isinstance(value, list) else [value]
            sent += [(name, str(each)) for each in values if each is not None]
        return sent


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._by_id: dict[str, Form] = {}
        self._waiting: list[tuple[str, str, dict[str, str]]] = []
        self._open: Form | None = None
        self._select: tuple[Form | None, str, bool] | None = None
        self._first = ""
        self._chosen = False
        self._area: tuple[Form | None, str] | None = None
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(
                at.get("action", ""),
                at.get("method", "get").lower(),
                is_file="multipart" in at.get("enctype", ""),
            )
            self.forms.append(self._open)
            if "id" in at:
                self._by_id[at["id"]] = self._open
        elif tag == "input":
            self._input(at)
        elif tag == "button" and at.get("name"):
            owner = self._owner(at)
            if owner is not None:
                owner.buttons.append((at["name"], at.get("value", "")))
        elif tag == "textarea":
            self._area, self._text = (self._owner(at), at.get("name", "")), []
            _note(self._owner(at), tag, at)
        elif tag == "select":
            _note(self._owner(at), tag, at)
            self._select, self._first, self._chosen = (
                (self._owner(at), at.get("name", ""), "multiple" in at),
                "",
                False,
            )
        elif tag == "option" and self._select is not None:
            self._option(at)

    def _owner(self, at: dict[str, str]) -> Form | None:
        return self._by_id.get(at["form"]) if "form" in at else self._open

    def _input(self, at: dict[str, str]) -> None:
        name, sort = at.get("name", ""), at.get("type", "text")
        if not name or "disabled" in at:
            return
        if "form" in at and at["form"] not in self._by_id:
            self._waiting.append((at["form"], name, at))
            return
        owner = self._owner(at)
        if owner is None:
            return
        if sort != "submit":
            _note(owner, "input", at)
        if sort in ("radio", "checkbox"):
            owner.choices.setdefault(name, []).append(at.get("value", "on"))
            if "checked" in at:
                owner.fields.append((name, at.get("value", "on")))
        elif sort == "submit":
            owner.buttons.append((name, at.get("value", "")))
        elif sort != "file":
            owner.fields.append((name, at.get("value", "")))

    def _option(self, at: dict[str, str]) -> None:
        owner, name, is_many = self._select or (None, "", False)
        if owner is None or not name or "disabled" in at:
            return
        value = at.get("value", "")
        if not owner.choices.setdefault(name, []):
            self._first = value
        owner.choices[name].append(value)
        if "selected" in at and (is_many or not self._chosen):
            owner.fields.append((name, value))
            self._chosen = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select" and self._select is not None:
            owner, name, is_many = self._select
            if owner is not None and name and not is_many and not self._chosen and owner.choices.get(name):
                owner.fields.append((name, self._first))
            self._select = None
        elif tag == "textarea" and self._area is not None:
            owner, name = self._area
            if owner is not None and name:
                owner.fields.append((name, "".join(self._text).removeprefix("\n")))  # as browsers do
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._text.append(data)

    def close(self) -> None:
        super().close()
        for form, name, at in self._waiting:
            owner = self._by_id.get(form)
            if owner is not None:
                owner.fields.append((name, at.get("value", "")))


def _note(owner: Form | None, tag: str, at: dict[str, str]) -> None:
    if owner is not None and at.get("name"):
        owner.attributes.setdefault(at["name"], {**at, "tag": tag})


def forms_of(text: str) -> list[Form]:
    """Every form of a page, as rendered."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.forms


def form_to(text: str, action: str) -> Form | None:
    """The form of a page that posts to this address, whatever its query."""
    path = action.split("?")[0]
    for form in forms_of(text):
        if form.method == "post" and form.action.split("?")[0] == path:
            return form
    return None
