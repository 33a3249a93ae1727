"""Somebody signs in, on a phone, in their language, with and without JavaScript."""

from __future__ import annotations

import re

import pytest
from journey import PASSWORD, Device, sign_in
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

with_and_without_script = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


@with_and_without_script
def test_somebody_signs_in_and_out(device: Device, script: bool) -> None:
    page = device.open_as("mentor", script=script)
    expect(page.locator("h1")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/$"))
    page.goto("/account")
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page).to_have_url(re.compile("/sign-in$"))
    page.goto("/account")
    expect(page).to_have_url(re.compile(r"/sign-in\?next=%2Faccount$"))


@with_and_without_script
def test_a_wrong_password_says_so_and_keeps_the_name(device: Device, script: bool) -> None:
    page = device.open(script=script)
    sign_in(page, "viewer", "not the password")
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is not right")
    expect(page.locator("#f-username")).to_have_value("viewer")
    expect(page.locator("#f-password")).to_have_value("")


def test_too_many_wrong_passwords_tell_how_long_to_wait(device: Device) -> None:
    page = device.open()
    for _ in range(6):
        sign_in(page, "somebody.unknown", "not the password")
    expect(page.get_by_role("alert")).to_contain_text(re.compile(r"Please wait \d+ seconds"))


def test_one_comes_to_the_page_one_wanted(device: Device) -> None:
    page = device.open()
    page.goto("/people?role=teacher")
    page.fill("#f-username", "coordinator")
    page.fill("#f-password", PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(re.compile(r"/people\?role=teacher$"))
    expect(page.get_by_role("heading", name="People")).to_be_visible()


@with_and_without_script
def test_the_language_is_switched_before_and_after_signing_in(device: Device, script: bool) -> None:
    page = device.open(script=script)
    page.goto("/sign-in")
    page.get_by_role("button", name="ខ្មែរ").click()
    expect(page.locator("html")).to_have_attribute("lang", "km")
    expect(page.get_by_role("heading", name="ចូលគណនី")).to_be_visible()
    sign_in(page, "mentor_elsewhere", PASSWORD)
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.goto("/account")
    page.get_by_role("button", name="ខ្មែរ").click()
    expect(page.get_by_role("heading", name="គណនីរបស់ខ្ញុំ")).to_be_visible()
    other = device.open_as("mentor_elsewhere", "/account")
    expect(other.locator("html")).to_have_attribute("lang", "km")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="My account")).to_be_visible()


def test_a_browser_in_khmer_is_greeted_in_khmer(device: Device) -> None:
    page = device.open(language="km-KH")
    page.goto("/sign-in")
    expect(page.locator("html")).to_have_attribute("lang", "km")


def test_the_password_can_be_looked_at(device: Device) -> None:
    page = device.open()
    page.goto("/sign-in")
    page.fill("#f-password", "secret words")
    page.get_by_role("button", name="Show the password").click()
    expect(page.locator("#f-password")).to_have_attribute("type", "text")


def test_the_keyboard_reaches_the_content_first(device: Device) -> None:
    page = device.open_as("viewer", desk=True)
    expect(page.locator("h1")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#main$"))


@with_and_without_script
def test_a_sign_in_page_left_open_in_a_second_tab_signs_in(device: Device, script: bool) -> None:
    first = device.open(script=script)
    first.goto("/sign-in")
    second = first.context.new_page()
    second.goto("/sign-in")
    sign_in(first, "mentor", PASSWORD)
    expect(first).to_have_url(re.compile(r"/$"))
    second.fill("#f-username", "viewer")
    second.fill("#f-password", PASSWORD)
    second.get_by_role("button", name="Sign in", exact=True).click()
    expect(second).to_have_url(re.compile(r"/$"))
    second.goto("/account")
    expect(second.locator("main")).to_contain_text("viewer")


@with_and_without_script
def test_after_a_dozen_wrong_passwords_another_account_gets_in_at_once(device: Device, script: bool) -> None:
    page = device.open(script=script)
    for _ in range(12):
        sign_in(page, "teacher", "not the password")
    expect(page.get_by_role("alert")).to_contain_text(re.compile(r"Please wait \d+ seconds"))
    sign_in(page, "mentor", PASSWORD)
    expect(page).to_have_url(re.compile(r"/$"))
