"""The model itself, on stories short enough to be read."""

from __future__ import annotations

from datetime import date

from simulation.model.programme import Programme
from simulation.model.things import Assignment, Child, Person, Place, Round, School, Stint, Year

DAY = date(2027, 1, 4)


def a_programme() -> Programme:
    """A country with one school, one year, one open round and two children."""
    p = Programme()
    p.people["c"] = Person("c", "coordinator")
    p.places["kh"] = Place("kh", "country", None, "KH")
    p.schools["a"] = School("a", "A", [(0, "kh")])
    p.years["y"] = Year("y", "Y", date(2027, 1, 1), date(2027, 2, 20), is_current=True)
    p.years["z"] = Year("z", "Z", date(2027, 2, 21), date(2027, 12, 20))
    p.rounds["r"] = Round("r", "y", "baseline", DAY, date(2027, 1, 9), "open")
    for number in (1, 2):
        p.children[f"k{number}"] = Child(
            f"k{number}", f"K{number}", f"Zq{number}", [Stint("y", "a", None, 3, number, 0)]
        )
    return p


def totals(p: Programme) -> dict[str, int]:
    """The figures of the school in the round, all cells together."""
    added: dict[str, int] = {}
    for counts in p.cells(p.rounds["r"], "math")["a"].values():
        for name, count in counts.flat().items():
            added[name] = added.get(name, 0) + count
    return added


def test_a_child_that_leaves_an_open_round_has_no_seat_unless_it_was_tested() -> None:
    p = a_programme()
    p.enter(
        "x", "c", p.children["k1"], p.rounds["r"], "math", outcome="assessed", level="beginner", tested_on=DAY
    )
    p.leave(p.children["k1"], DAY)
    p.leave(p.children["k2"], DAY)
    assert (totals(p)["enrolled"], totals(p)["assessed"]) == (1, 1)


def test_a_closed_round_keeps_its_roll() -> None:
    p = a_programme()
    p.set_state("r", "closed", DAY)
    p.leave(p.children["k1"], DAY)
    assert totals(p)["enrolled"] == 2


def test_a_round_opened_again_in_its_days_has_no_fixed_roll() -> None:
    p = a_programme()
    p.set_state("r", "closed", DAY)
    p.set_state("r", "open", DAY)
    p.leave(p.children["k1"], DAY)
    assert totals(p)["enrolled"] == 1
    p.set_state("r", "closed", DAY)
    p.set_state("r", "open", date(2027, 1, 20))
    assert p.rounds["r"].roll_at is not None


def test_a_roll_over_keeps_the_seats_of_the_year_that_is_left() -> None:
    p = a_programme()
    p.roll_over("o", "a", "y", [])
    assert totals(p)["enrolled"] == 2
    assert [each.present.grade for each in p.children.values()] == [4, 4]
    p.undo_roll_over("o")
    assert [len(each.stints) for each in p.children.values()] == [1, 1]


def test_a_correction_follows_into_an_open_round_and_not_into_a_closed_one() -> None:
    p = a_programme()
    p.enter("x", "c", p.children["k1"], p.rounds["r"], "math", outcome="absent", level=None, tested_on=DAY)
    p.correct(p.children["k1"], sex=1, grade=4, klass=None)
    assert p.results["x"].grade == 4
    p.set_state("r", "closed", DAY)
    p.correct(p.children["k1"], sex=2, grade=5, klass=None)
    assert (p.results["x"].grade, p.results["x"].sex) == (4, 1)


def test_a_child_of_another_year_is_not_tested() -> None:
    p = a_programme()
    p.children["k3"] = Child("k3", "K3", "Zq3", [Stint("z", "a", None, 3, 1, 0)])
    why = p.why_no_result(
        "c", p.children["k3"], p.rounds["r"], "math", tested_on=DAY, today=DAY, has_reason=False, fits=True
    )
    assert why == "not_enrolled_in_year"


def test_places_of_a_closed_round_are_those_of_then() -> None:
    p = a_programme()
    p.places["p"] = Place("p", "province", "kh", "P")
    p.set_state("r", "closed", DAY)
    p.schools["a"].stood.append((p.tick(), "p"))
    assert p.school_place(p.schools["a"], p.rounds["r"].roll_at) == "kh"
    assert p.school_place(p.schools["a"], None) == "p"


def test_a_merge_and_its_undo_lose_nothing() -> None:
    p = a_programme()
    for number, level in ((1, "beginner"), (2, "division")):
        p.enter(
            f"x{number}",
            "c",
            p.children[f"k{number}"],
            p.rounds["r"],
            "math",
            outcome="assessed",
            level=level,
            tested_on=DAY,
        )
    p.merge("m", p.children["k1"], p.children["k2"], standing=set())
    assert (totals(p)["enrolled"], totals(p)["assessed"]) == (1, 1)
    p.unmerge("m")
    assert (totals(p)["enrolled"], totals(p)["assessed"]) == (2, 2)


def test_who_was_on_a_fixed_roll_is_so_as_the_child_that_is_kept() -> None:
    p = a_programme()
    gone = p.children["k1"]
    p.set_state("r", "closed", DAY)
    p.move(gone, "moved", grade=4)
    p.enrol("k3", "K3", "Zq3", Stint("y", "a", None, 5, 1, 0))
    p.merge("m", p.children["k3"], gone, standing=set())
    assert p.cells(p.rounds["r"], "math")["a"][3, 1].enrolled == 1
    p.unmerge("m")
    assert p.cells(p.rounds["r"], "math")["a"][3, 1].enrolled == 1
    assert [each.grade for each in gone.stints] == [3, 4]


def test_one_child_sits_once_when_two_records_that_sat_are_made_one() -> None:
    p = a_programme()
    p.move(p.children["k1"], "moved", grade=4)
    p.set_state("r", "closed", DAY)
    p.merge("m", p.children["k2"], p.children["k1"], standing=set())
    assert totals(p)["enrolled"] == 1


def test_an_undone_roll_over_takes_back_who_was_corrected_and_not_who_went_on() -> None:
    p = a_programme()
    p.schools["b"] = School("b", "B", [(0, "kh")])
    p.roll_over("o", "a", "y", [])
    one, other = p.children["k1"], p.children["k2"]
    p.correct(one, sex=2, grade=4, klass=None)
    p.move(other, "moved", school="b")
    p.undo_roll_over("o")
    assert (one.present.year, one.present.grade, one.present.sex) == ("y", 3, 2)
    assert (other.present.year, other.present.school) == ("z", "b")


def test_who_finished_comes_back_as_its_record_says_whatever_of_its_past_was_amended() -> None:
    p = a_programme()
    child = p.children["k1"]
    p.move(child, "corrected", grade=5)
    p.roll_over("o", "a", "y", [])
    p.amend_past(child, ("y", "a", None, 5, 1), (None, 5, 2))
    assert child.record.sex == 1
    p.come_back(child)
    assert (child.status, child.present.sex) == ("active", 1)


def test_a_correction_is_of_the_whole_stint_unless_a_fixed_roll_holds_the_child_as_it_was() -> None:
    p = a_programme()
    child = p.children["k1"]
    p.correct(child, sex=1, grade=4, klass=None)
    assert [each.grade for each in child.stints] == [4]
    p.set_state("r", "closed", DAY)
    p.correct(child, sex=1, grade=5, klass=None)
    assert [each.grade for each in child.stints] == [4, 5]


def test_a_correction_leaves_what_was_made_before_a_transfer_in_the_school() -> None:
    p = a_programme()
    p.enter("x", "c", p.children["k1"], p.rounds["r"], "math", outcome="absent", level=None, tested_on=DAY)
    p.move(p.children["k1"], "moved", grade=5)
    p.correct(p.children["k1"], sex=1, grade=4, klass=None)
    assert p.results["x"].grade == 3


def test_an_amended_past_takes_the_results_of_its_year_along_and_not_the_present() -> None:
    p = a_programme()
    p.enter("x", "c", p.children["k1"], p.rounds["r"], "math", outcome="absent", level=None, tested_on=DAY)
    p.set_state("r", "closed", DAY)
    p.roll_over("o", "a", "y", [])
    p.amend_past(p.children["k1"], ("y", "a", None, 3, 1), (None, 5, 2))
    assert (p.results["x"].grade, p.results["x"].sex) == (5, 2)
    assert (p.children["k1"].present.grade, p.children["k1"].present.sex) == (4, 1)
    assert p.cells(p.rounds["r"], "language")["a"][5, 2].enrolled == 1


def test_a_child_that_left_comes_back_as_its_record_says_whatever_of_its_past_was_amended() -> None:
    p = a_programme()
    child = p.children["k1"]
    p.leave(child, DAY)
    p.amend_past(child, ("y", "a", None, 3, 1), (None, 5, 2))
    assert (child.record.grade, child.record.sex) == (3, 1)
    p.come_back(child)
    assert (child.present.grade, child.present.sex) == (3, 1)


def test_what_was_verified_is_so_on_its_day_only() -> None:
    p = a_programme()
    given = {"outcome": "assessed", "level": "beginner"}
    p.enter("x", "c", p.children["k1"], p.rounds["r"], "math", tested_on=DAY, **given)
    p.results["x"].is_verified = True
    p.enter("x", "c", p.children["k1"], p.rounds["r"], "math", tested_on=DAY, **given)
    assert p.results["x"].is_verified
    p.enter("x", "c", p.children["k1"], p.rounds["r"], "math", tested_on=date(2027, 1, 5), **given)
    assert not p.results["x"].is_verified


def test_a_fixed_roll_keeps_the_seat_of_a_record_that_went_into_a_later_one() -> None:
    p = a_programme()
    p.set_state("r", "closed", DAY)
    p.enrol("k3", "K3", "Zq3", Stint("y", "a", None, 3, 1, 0))
    p.merge("m", p.children["k3"], p.children["k1"], set())
    assert totals(p)["enrolled"] == 2
    p.unmerge("m")
    assert totals(p)["enrolled"] == 2
    p.merge("m", p.children["k2"], p.children["k1"], set())
    assert totals(p)["enrolled"] == 1


def test_a_record_that_left_goes_into_another() -> None:
    p = a_programme()
    p.leave(p.children["k1"], DAY)
    p.merge("m", p.children["k2"], p.children["k1"], set())
    assert totals(p)["enrolled"] == 1


def test_what_is_deleted_ends_its_assignments() -> None:
    p = a_programme()
    p.assignments["all"] = Assignment("all", "c", "a", "math", None, DAY)
    p.assignments["class"] = Assignment("class", "c", "a", "math", "a y 3A", DAY)
    p.end_assignments(klass="a y 3A")
    assert [each.id for each in p.holds("c", DAY)] == ["all"]
    p.end_assignments(school="a")
    assert list(p.holds("c", DAY)) == []


def test_a_fixed_roll_keeps_the_seat_of_a_record_that_was_there_beside_the_one_it_went_into() -> None:
    p = a_programme()
    kept, gone = p.children["k2"], p.children["k1"]
    kept.stints[0].since = 10
    p.instant = 1
    p.set_state("r", "closed", DAY)
    p.instant = 10
    assert totals(p)["enrolled"] == 1
    p.leave(gone, DAY)
    p.merge("m", kept, gone, set())
    assert totals(p)["enrolled"] == 1
    p.unmerge("m")
    assert (totals(p)["enrolled"], len(kept.stints)) == (1, 1)


def test_a_later_round_that_is_opened_fixes_the_roll_of_one_that_was_never_opened() -> None:
    p = a_programme()
    p.rounds["r"].state = "planned"
    p.rounds["s"] = Round("s", "y", "midline", date(2027, 1, 16), date(2027, 1, 20))
    p.set_state("s", "open", date(2027, 1, 16))
    p.leave(p.children["k1"], date(2027, 1, 17))
    assert totals(p)["enrolled"] == 2


def test_a_lock_holds_what_counts_at_its_school_and_nothing_else() -> None:
    """Seed 67004: the model knew only the school of the result, the program also where the child sat by now."""
    p = a_programme()
    p.schools["b"] = School("b", "B", [(0, "kh")])
    child, held = p.children["k1"], p.rounds["r"]
    p.enter("x", "c", child, held, "math", outcome="assessed", level="beginner", tested_on=DAY)
    p.move(child, "moved", school="b", klass=None)
    held.locked = {"b"}

    def why(subject: str) -> str:
        fits = subject == "math"
        return p.why_no_result(
            "c", child, held, subject, tested_on=DAY, today=DAY, has_reason=False, fits=fits
        )

    assert (why("math"), why("language")) == ("", "school_locked")
    held.locked = {"a"}
    assert (why("math"), why("language")) == ("school_locked", "stale")
