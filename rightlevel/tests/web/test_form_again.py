"""A page with one of its forms as it was sent, read off the page alone."""

from __future__ import annotations

from simulation.forms import forms_of

from rightlevel.web.form_again import FormAgain, Wrong

PAGE = """<!doctype html><main id="main">
<details><summary>Delete</summary><form method="post" action="/a/1"><input type="hidden" name="version" value="3">
<label class="field">Reason<input name="reason" required maxlength="200"></label></form></details>
<form method="post" action="/a/2"><input type="hidden" name="version" value="7">
<label for="f-name">Name <span class="optional">(optional)</span></label><input id="f-name" name="name" value="Kept">
<label for="f-day">Day</label><input id="f-day" name="day" type="date" value="2026-01-01">
<fieldset id="f-sex"><legend>Sex</legend><div class="chip-row"><label class="chip"><input type="radio" name="sex" value="1" checked><span>Boy</span></label>
<label class="chip"><input type="radio" name="sex" value="2"><span>Girl</span></label></div></fieldset>
<select id="f-grade" name="grade"><option value="3" selected>Three</option><option value="4">Four</option></select>
<label for="f-words">Words</label><textarea id="f-words" name="words">old &amp; kept</textarea>
<input type="password" name="password" value=""><input type="checkbox" name="tick" value="true" checked>
</form></main>"""
SENT = {
    "version": ["2"],
    "name": ['"<b>Ty & ped</b>'],
    "day": ["31/12/26"],
    "sex": ["2"],
    "grade": ["4"],
    "words": ["two\nlines"],
    "password": ["secret"],
}


def test_fields_hold_what_was_sent_and_what_is_hidden_is_the_pages_own() -> None:
    again = FormAgain(PAGE, "/a/2", SENT, [])
    fields = dict(forms_of(again.text(""))[1].fields)
    assert fields == {
        "version": "7",
        "name": '"<b>Ty & ped</b>',
        "day": "31/12/26",
        "sex": "2",
        "grade": "4",
        "words": "two\nlines",
        "password": "",
    }
    assert dict(forms_of(again.text(""))[0].fields) == {"version": "3", "reason": ""}, "other forms stay"


def test_faults_stand_at_their_fields_in_the_order_of_the_page_under_their_labels() -> None:
    faults = [
        Wrong("words", "Other", "too long"),
        Wrong("sex", "", "choose"),
        Wrong("name", "Other", "bad"),
        Wrong("x_on", "", "hm"),
    ]
    again = FormAgain(PAGE, "/a/2", SENT, faults)
    assert [(line.id, line.label, line.text) for line in again.summary.lines] == [
        ("f-name", "Name", "bad"),
        ("f-sex", "Sex", "choose"),
        ("f-words", "Words", "too long"),
        ("", "", "hm"),
    ]
    text = again.text('<div id="faults"></div>')
    assert text.count("autofocus") == 1
    assert text.index("autofocus") < text.index('name="day"')
    assert text.index('<div id="faults">') < text.index('action="/a/2"')
    assert text.count('aria-invalid="true"') == 4, "two chips, a field and an area"


def test_a_form_behind_a_fold_is_opened_and_its_field_gets_an_id_of_its_own() -> None:
    again = FormAgain(PAGE, "/a/1", {"reason": ["why not"]}, [Wrong("reason", "Reason", "longer")])
    text = again.text("")
    assert "<details open>" in text
    assert 'id="again-reason"' in text
    assert [line.label for line in again.summary.lines] == ["Reason"]
    assert dict(forms_of(text)[0].fields)["reason"] == "why not"


def test_a_stale_form_says_what_stands_on_the_server_in_words() -> None:
    both = {
        each.label: (each.there, each.typed)
        for each in FormAgain(PAGE, "/a/2", SENT, is_stale=True).summary.both
    }
    assert both["Name"] == ("Kept", '"<b>Ty & ped</b>')
    assert both["Words"] == ("old & kept", "two\nlines")


def test_a_form_that_is_no_longer_there_is_said_to_be_gone() -> None:
    again = FormAgain(PAGE, "/b", SENT, [Wrong("name", "Name", "bad")])
    assert not again.summary.is_found
    assert '<p id="faults">said</p>' in again.text('<p id="faults">said</p>')


def test_a_field_that_the_page_proposes_stays_as_it_proposes() -> None:
    again = FormAgain(PAGE, "/a/2", SENT, proposed=frozenset({"name"}))
    assert dict(forms_of(again.text(""))[1].fields)["name"] == "Kept"


SEVERAL = """<!doctype html><main><form method="post" action="/several"><input type="hidden" name="version" value="1">
<label for="f-forms.0">Form 1</label><textarea id="f-forms.0" name="forms">one</textarea>
<label for="f-forms.1">Form 2</label><textarea id="f-forms.1" name="forms">two</textarea></form></main>"""


def test_a_fault_of_one_of_several_fields_of_a_name_stands_at_that_one() -> None:
    """Seen: what was wrong with a translation stood in the summary alone, and led nowhere."""
    sent = {"forms": ["first", "second"]}
    again = FormAgain(SEVERAL, "/several", sent, [Wrong("forms.1", "", "its blanks differ")])
    assert [(line.id, line.label, line.text) for line in again.summary.lines] == [
        ("f-forms.1", "Form 2", "its blanks differ")
    ]
    before, after = again.text("").split("Form 2")
    assert "its blanks differ" not in before
    assert after.index("its blanks differ") < after.index("second")
    assert after.count("aria-invalid") == 1
    assert "first" in before
    out_of_it = FormAgain(SEVERAL, "/several", sent, [Wrong("forms.7", "", "hm")])
    assert [(line.id, line.text) for line in out_of_it.summary.lines] == [("", "hm")]
