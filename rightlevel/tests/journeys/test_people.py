"""A coordinator makes a teacher, who signs in, takes over the account and sees where it is signed in."""

from __future__ import annotations

import re

import pytest
from journey import Device, Site, sign_in
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

with_and_without_script = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
NEW_PASSWORD = "rice field in the rain"


def make_teacher(page: Page, name: str, username: str) -> str:
    """Makes an account through the form; the password that is shown once."""
    page.goto("/people")
    page.get_by_role("link", name="New person").click()
    page.fill("#f-display_name", name)
    page.fill("#f-username", username)
    page.get_by_role("button", name="Make the account").click()
    return page.locator("#password").inner_text()


@with_and_without_script
def test_a_new_teacher_takes_over_the_account(device: Device, script: bool) -> None:
    username = f"sokha.{'with' if script else 'without'}"
    coordinator = device.open_as("coordinator", script=script)
    password = make_teacher(coordinator, "សុខា ចាន់", username)

    page = device.open(script=script)
    sign_in(page, username, password)
    other = device.open(script=script)
    sign_in(other, username, password)
    page.goto("/account")
    expect(page.get_by_text("This device")).to_have_count(1)
    expect(page.get_by_role("button", name=re.compile("Sign out there"))).to_have_count(1)

    page.fill("#f-old", password)
    page.fill("#f-password", NEW_PASSWORD)
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("status")).to_contain_text("Your password is changed")
    expect(page.get_by_role("button", name=re.compile("Sign out there"))).to_have_count(0)
    other.goto("/account")
    expect(other).to_have_url(re.compile("/sign-in"))
    sign_in(other, username, password)
    expect(other.get_by_role("alert")).to_be_visible()
    sign_in(other, username, NEW_PASSWORD)
    expect(other.locator("h1")).to_be_visible()
    page.goto("/account")
    page.get_by_role("button", name=re.compile("Sign out there")).click()
    expect(page.get_by_role("status")).to_contain_text("That device is signed out")
    other.goto("/account")
    expect(other).to_have_url(re.compile("/sign-in"))


def test_what_is_wrong_is_marked_and_what_was_typed_stays(device: Device) -> None:
    page = device.open_as("coordinator", "/people/new")
    page.fill("#f-display_name", "Vanna Keo")
    page.fill("#f-username", "teacher")
    page.fill("#f-email", "vanna@example.org")
    page.get_by_label("Mentor").check()
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_role("alert")).to_contain_text("already in use")
    expect(page.locator("#f-username")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#f-display_name")).to_have_value("Vanna Keo")
    expect(page.locator("#f-email")).to_have_value("vanna@example.org")
    expect(page.get_by_label("Mentor")).to_be_checked()
    page.fill("#f-username", "vanna.keo")
    page.get_by_role("button", name="Make the account").click()
    expect(page.locator("#password")).to_be_visible()


def test_of_two_changes_at_once_the_later_one_sees_both_and_decides(device: Device, site: Site) -> None:
    make_teacher(device.open_as("admin"), "Rith", "rith")
    one, two = device.open_as("coordinator"), device.open_as("admin")
    for page in (one, two):
        page.goto("/people?search=rith")
        page.get_by_role("link", name="Rith").click()
    one.fill("#f-display_name", "Rith Sok")
    two.fill("#f-display_name", "Rith Som")
    one.get_by_role("button", name="Save").click()
    expect(one.get_by_role("status")).to_contain_text("Saved")
    two.get_by_role("button", name="Save").click()
    expect(two.get_by_role("alert")).to_contain_text("Somebody changed this")
    expect(two.get_by_role("alert")).to_contain_text("Rith Sok")
    expect(two.locator("#f-display_name")).to_have_value("Rith Som")
    two.get_by_role("button", name="Save").click()
    expect(two.get_by_role("heading", name="Rith Som")).to_be_visible()


@with_and_without_script
def test_an_account_is_switched_off_deleted_and_brought_back(device: Device, script: bool) -> None:
    username = f"dara.{'with' if script else 'without'}"
    page = device.open_as("coordinator", script=script)
    password = make_teacher(page, "Dara", username)
    page.get_by_role("link", name="To the person").click()

    page.locator("summary", has_text="Switch the account off").click()
    page.get_by_role("button", name="Switch the account off").click()
    expect(page.get_by_role("status")).to_contain_text("switched off")
    theirs = device.open()
    sign_in(theirs, username, password)
    expect(theirs.get_by_role("alert")).to_be_visible()
    page.get_by_role("button", name="Switch the account on").click()

    page.locator("summary", has_text="Delete the account").click()
    page.fill("details[open] [name=reason]", "Made twice")
    page.get_by_role("button", name="Delete the account").click()
    expect(page.get_by_role("status")).to_contain_text("deleted")
    page.get_by_role("link", name="Deleted", exact=True).click()
    page.get_by_role("link", name="Dara").first.click()
    page.get_by_role("button", name="Bring it back").click()
    expect(page.get_by_role("status")).to_contain_text("The account is back")


@with_and_without_script
def test_a_school_is_assigned_and_the_assignment_ended(device: Device, script: bool) -> None:
    username = f"mealea.{'with' if script else 'without'}"
    page = device.open_as("coordinator", script=script)
    make_teacher(page, "Mealea", username)
    page.get_by_role("link", name="To the person").click()
    page.get_by_role("link", name="Assign a school").click()
    page.fill("#f-search", "Beta")
    page.locator("main").get_by_role("button", name="Search").click()
    page.get_by_role("link", name=re.compile("Beta School")).click()
    page.get_by_label("Mathematics").uncheck()
    page.get_by_role("button", name="Assign", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("The school is assigned")
    expect(page.locator(".list li")).to_have_count(1)
    expect(page.locator(".list li")).to_contain_text("Reading")
    page.locator("summary", has_text="End it").click()
    page.get_by_role("button", name="End it").click()
    expect(page.get_by_text("No school is assigned yet")).to_be_visible()


def test_a_token_is_shown_once_and_revoked(device: Device) -> None:
    page = device.open_as("teacher_elsewhere", "/account/tokens")
    page.fill("#f-label", "My sheet")
    page.get_by_role("button", name="Make a token").click()
    expect(page.locator(".secret")).to_contain_text("rl_")
    page.goto("/account/tokens")
    expect(page.locator(".secret")).to_have_count(0)
    page.get_by_role("button", name=re.compile("Revoke.*My sheet")).click()
    expect(page.get_by_role("status")).to_contain_text("revoked")


def test_the_activity_shows_what_was_changed_and_what_was_refused(device: Device) -> None:
    sign_in(device.open(), "viewer", "wrong on purpose")
    page = device.open_as("admin", "/audit?outcome=denied")
    expect(page.get_by_text("Denied", exact=True).locator("visible=true").first).to_be_visible()
    page.goto("/audit?resource=session")
    expect(page.locator(".list li").first).to_contain_text("Sign in")
