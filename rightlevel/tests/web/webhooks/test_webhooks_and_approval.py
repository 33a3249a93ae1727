"""Webhooks and approval over HTTP: both faces, a secret shown once, a receipt without it, and who may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from serving import NewDatabase, Served, serving

pytestmark = pytest.mark.anyio
NEW = {"name": "Ministry", "url": "https://example.org/hook", "events": ["import.undone"]}


@pytest.fixture
async def site(
    new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    """A service of its own: in the shared one others end assignments."""
    async with serving(new_database(), tmp_path_factory.mktemp("approval")) as opened:
        yield opened


async def test_a_webhook_is_made_seen_tried_changed_and_taken_away(served: Served) -> None:
    async with served.client("coordinator") as client:
        key = {"idempotency-key": str(uuid4())}
        made = await client.post("/api/v1/webhooks", json=NEW, headers=key)
        assert made.status_code == 201, made.text
        assert made.json()["secret"].startswith("whsec_")
        again = await client.post("/api/v1/webhooks", json=NEW, headers=key)
        assert (again.json()["webhook"]["id"], again.json()["secret"]) == (made.json()["webhook"]["id"], "")
        path = f"/api/v1/webhooks/{made.json()['webhook']['id']}"
        tried = await client.post(f"{path}/test")
        assert tried.json()["event"] == "webhook.test"
        listed = await client.get(f"{path}/deliveries?state=waiting")
        assert [each["id"] for each in listed.json()["items"]] == [tried.json()["id"]]
        assert (await client.get(f"{path}/deliveries?state=lost")).status_code == 422
        refused = await client.post("/api/v1/webhooks", json={**NEW, "url": "http://10.0.0.1/"})
        assert [each["field"] for each in refused.json()["faults"]] == ["url"]
        changed = await client.patch(path, json={"version": 1, "is_on": False})
        assert not changed.json()["is_on"]
        assert (await client.patch(path, json={"version": 1, "is_on": True})).status_code == 409
    async with served.client("coordinator", by="cookie") as browser:
        page = await browser.get(f"/webhooks/{made.json()['webhook']['id']}")
        assert "https://example.org/hook" in page.text
        assert made.json()["secret"] not in page.text
    async with served.client("mentor") as client:
        assert (await client.get(path)).status_code == 403
        assert (await client.delete(f"{path}?reason=why")).status_code == 403
    async with served.client("admin") as client:
        assert (await client.delete(f"{path}?reason=over")).status_code in (200, 204)
        assert (await client.get(path)).status_code == 404


async def test_approval_goes_from_hand_to_hand_over_http(site: Served) -> None:
    number, school = site.cast.round, site.cast.school_b
    steps = f"/api/v1/rounds/{number}/approval-steps"
    path = f"/api/v1/rounds/{number}/approvals/{school}"
    async with site.client("coordinator") as leader:
        version = (await leader.get(f"/api/v1/rounds/{number}")).json()["version"]
        on = await leader.put(steps, json={"version": version, "steps": ["school", "programme"]})
        assert on.json()["approval_steps"] == ["school", "programme"]
        try:
            async with site.client("teacher_elsewhere", by="cookie") as teacher:
                page = await teacher.get(f"/rounds/{number}/approvals/{school}")
                assert f"{path.removeprefix('/api/v1')}/approve" in page.text
                sent = await teacher.post(
                    f"/rounds/{number}/approvals/{school}/approve",
                    data={"version": "0", "words": "", "write_id": str(uuid4())},
                )
                assert sent.status_code == 303, sent.text
            found = (await leader.get(path)).json()
            assert (found["approval"]["state"], found["may_approve"]) == ("programme", True)
            version = found["approval"]["version"]
            async with site.client("teacher") as other:
                assert (await other.get(path)).status_code == 403
            stale = await leader.post(f"{path}/approve", json={"version": 0})
            assert stale.status_code == 409
            returned = await leader.post(
                f"{path}/return", json={"version": version, "reason": "two are missing"}
            )
            assert returned.json()["state"] == "school"
        finally:
            version = (await leader.get(f"/api/v1/rounds/{number}")).json()["version"]
            off = await leader.put(steps, json={"version": version, "steps": []})
            assert off.json()["approval_steps"] == []
