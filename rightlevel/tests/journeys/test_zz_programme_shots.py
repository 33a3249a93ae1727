from __future__ import annotations
import os
import pytest
from flatwater.queries import read_queries
from journey import Device, Site
pytestmark = pytest.mark.browser
Q = read_queries("""
-- name: kids
-- x
insert into student (school_id, school_year_id, class_id, code, name, name_key, sex, grade)
select %(s)s, %(y)s, %(c)s, (1000 * %(g)s + i)::text, n.name || ' ' || (array['សុខា','ដារ៉ា','វណ្ណា','ស្រីមុំ','រតនា'])[1 + i %% 5], lower(n.name), 1 + i %% 2, %(g)s
from generate_series(1, %(n)s) i join lateral (select (array['ចាន់','សុខ','ហេង','លី','ម៉ៅ','ជា','ឈុន','Chan Sophearun Visal'])[1 + i %% 8] as name) n on true
-- name: res
-- x
insert into result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex)
select new_id(), st.id, %(r)s, st.school_id, st.class_id, %(p)s, '2026-11-20', %(sub)s::subject,
 case when row_number() over (order by st.id) %% 11 = 0 then 'absent' else 'assessed' end::outcome, 'grid',
 case when row_number() over (order by st.id) %% 11 = 0 then null else 1 + (row_number() over (order by st.id) * 7 %% 6) end, st.grade, st.sex
from student st where st.school_id = any(%(ss)s) and ('x' || substr(md5(st.id::text),1,4))::bit(16)::int %% 3 > 0
on conflict do nothing
-- name: round0
-- x
insert into round (school_year_id, kind, starts_on, ends_on, state) values (%(y)s, 'midline', '2026-12-01', '2026-12-10', 'planned') returning id
""", origin="x")

async def seed(served):
    c = served.cast
    async with served.database.transaction(deadline_s=30) as s:
        for school, cls, g, n in ((c.school_a, c.class_3a, 3, 40), (c.school_a, None, 4, 23), (c.school_b, None, 4, 30), (c.practice_school, None, 3, 5)):
            await s.execute(Q["kids"], {"s": school, "y": c.school_year, "c": cls, "g": g, "n": n})
        for sub in ("language", "math"):
            await s.execute(Q["res"], {"r": c.round, "p": c.mentor.person_id, "sub": sub, "ss": [c.school_a, c.school_b]})
        await s.fetch_value(Q["round0"], {"y": c.school_year})

def test_shots(device: Device, site: Site) -> None:
    c = site.cast
    site.run(seed)
    out = "/tmp/shots"; os.makedirs(out, exist_ok=True)
    pages = {
        "mentor": {"home": "/", "grid": f"/schools/{c.school_a}/grid?round={c.round}&subject=language&group=class-{c.class_3a}", "gridm": f"/schools/{c.school_a}/grid?round={c.round}&subject=math&group=class-{c.class_3a}",
            "child": f"/students/{c.students_a[0]}", "childedit": f"/students/{c.students_a[0]}/edit", "entry": f"/students/{c.students_a[0]}/results/{c.round}/language",
            "newchild": f"/schools/{c.school_a}/students/new", "children": "/students", "school": f"/schools/{c.school_a}", "schoolfig": f"/figures?school={c.school_a}"},
        "coordinator": {"lead": "/", "schools": "/schools", "leadschool": f"/schools/{c.school_a}", "schoolnew": "/schools/new", "places": f"/places?below={c.province}", "placenew": f"/places/new?below={c.province}", "figures": "/figures", "figprov": f"/figures?place={c.province}&subject=math",
            "rounds": "/rounds", "round": f"/rounds/{c.round}?search=Be", "roundschool": f"/rounds/{c.round}/schools/{c.school_b}", "roundnew": "/rounds/new", "years": "/years", "year": f"/years/{c.school_year}", "imports": "/imports", "deleted": "/deleted?kind=people"},
        "viewer": {"vhome": "/"},
    }
    only = os.environ.get("ONLY", "").split(",") if os.environ.get("ONLY") else None
    for lang in ("en", "km"):
        for desk in (False, True):
            for who, which in pages.items():
                page = device.open_as(who, desk=desk, dark=bool(os.environ.get("DARK")))
                if page.locator("html").get_attribute("lang") != lang:
                    page.locator(f"button[name=code][value={lang}]").click()
                for name, path in which.items():
                    if only and name not in only: continue
                    page.goto(path)
                    page.wait_for_load_state("networkidle")
                    page.screenshot(path=f"{out}/{name}-{lang}-{'desk' if desk else 'phone'}.png", full_page=name not in ("grid","gridm"))
