"""Every table of the platform: what adds rows, what takes them away, what holds the bound, and how much room it may take."""

from __future__ import annotations

from typing import Final

import msgspec

MEGABYTE: Final = 1_000_000


class Bound(msgspec.Struct, frozen=True):
    """A table's bound. `by` names what holds it: a unique index or an exclusion of the schema, `sweep:` and the query that takes rows
    away, or `most:` and the ceiling in the code. `budget_megabytes` is what it may take with its indexes, for a country of a million
    children and five years; the doctor tells of more.
    """

    table: str
    adds: str
    removes: str
    by: str
    budget_megabytes: int


BOUNDS: Final[tuple[Bound, ...]] = (
    Bound("setting", "one for each thing that may be set", "nothing; a key is set again", "setting_pkey", 1),
    Bound("language", "a language that is added", "nothing; it is no longer offered", "language_pkey", 1),
    Bound(
        "translation",
        "a text that is translated in the product, once for each language",
        "nothing; it is translated again",
        "translation_pkey",
        50,
    ),
    Bound(
        "person",
        "people who are added or join",
        "nothing; the audit names them",
        "person_username_is_unique",
        50,
    ),
    Bound(
        "person_session",
        "a sign-in",
        "its end, a sign-out, the 21st of a person; sweeping when it has run out",
        "sweep:sweep_sessions",
        100,
    ),
    Bound(
        "held_form",
        "a form sent when the session had ended, three of a person",
        "half an hour; the fourth of a person",
        "sweep:sweep_held_forms",
        100,
    ),
    Bound(
        "api_token",
        "a token that is made, 20 in use for each person at most",
        "sweeping a year after it ran out",
        "sweep:sweep_tokens",
        20,
    ),
    Bound(
        "sign_in_failure",
        "a wrong sign-in, one for each account, address and both together",
        "sweeping after two days",
        "sweep:sweep_failures",
        200,
    ),
    Bound(
        "known_device",
        "a device on which somebody signs in, 20 for each person at most",
        "a new password, a reset; the one used longest ago for the 21st",
        "most:rightlevel.programme.accounts.entry.MAX_KNOWN_DEVICES",
        100,
    ),
    Bound(
        "person_phone",
        "a phone on which somebody keeps work, 20 for each person at most",
        "the one unseen longest for the 21st",
        "most:rightlevel.programme.accounts.phones.MAX_PHONES",
        100,
    ),
    Bound(
        "audit_entry",
        "every deed and every denied attempt; a minute's same denied attempts are one",
        "months, when the audit of a month is over its time",
        "sweep:drop_month",
        20_000,
    ),
    Bound(
        "write_receipt",
        "a write with an id of its own",
        "sweeping after thirty days",
        "sweep:sweep_receipts",
        20_000,
    ),
    Bound(
        "place",
        "places of the country",
        "nothing; soft deletion",
        "place_code_is_unique_below_its_parent",
        50,
    ),
    Bound("school", "schools of the programme", "nothing; soft deletion", "school_code_is_unique", 200),
    Bound("school_year", "a year", "nothing; soft deletion", "school_year_name_is_unique", 1),
    Bound(
        "class",
        "classes of a school and year",
        "nothing; soft deletion; undoing a roll-over",
        "class_is_unique",
        200,
    ),
    Bound(
        "assignment",
        "who is assigned where, and was",
        "nothing; an end",
        "assignment_is_unique_on_each_day",
        200,
    ),
    Bound(
        "student",
        "children of the programme",
        "nothing; soft deletion; erasure empties it; a practice school's reset",
        "student_code_is_unique_in_its_school",
        4_000,
    ),
    Bound(
        "student_change",
        "a change of a child's record",
        "the child's 1,001st change takes the oldest; erasing the child; a practice school's reset",
        "most:rightlevel.programme.students.model.KEPT_CHANGES",
        8_000,
    ),
    Bound(
        "past_enrolment",
        "a child that moves, goes up or leaves",
        "undoing a roll-over; a practice school's reset",
        "past_enrolment_closes_a_year_once",
        8_000,
    ),
    Bound(
        "scale",
        "drafts, at most 20, and published versions, at most 60",
        "a draft that is deleted",
        "scale_version_is_unique",
        1,
    ),
    Bound("scale_level", "nine for each scale at most", "nothing", "scale_level_pkey", 1),
    Bound("round", "three for each year at most", "nothing; soft deletion", "round_is_unique_in_its_year", 1),
    Bound(
        "trial",
        "a draw of schools into two ways of working",
        "nothing; every draw that was made is seen",
        "trial_pkey",
        1,
    ),
    Bound(
        "trial_school",
        "one for each school of a draw, 10,000 at most",
        "nothing; it is what was drawn",
        "trial_school_pkey",
        20,
    ),
    Bound(
        "round_day",
        "one for each day that a round is open, and subject",
        "nothing; rounds have as many days as they have",
        "round_day_pkey",
        1,
    ),
    Bound(
        "publication",
        "a frozen round that is published, three for each year at most",
        "nothing; it is hidden",
        "publication_pkey",
        1,
    ),
    Bound(
        "published_place",
        "the places of a round that is published, 2,000 at most",
        "nothing; what was published stays",
        "published_place_pkey",
        10,
    ),
    Bound(
        "published_figure",
        "one for each place, subject, grade and sex of a round that is published, as far as that may be told",
        "nothing; what was published stays",
        "published_figure_pkey",
        150,
    ),
    Bound(
        "round_school",
        "own dates or a lock of a school in a round",
        "a practice school's reset",
        "round_school_pkey",
        500,
    ),
    Bound(
        "school_approval",
        "one for each school and round of which approval is asked",
        "a practice school's reset; approval that is asked no more",
        "school_approval_pkey",
        200,
    ),
    Bound(
        "approval_step",
        "a step that somebody approved or returned, 100 for each school and round at most",
        "its approval",
        "most:rightlevel.programme.rounds.approvals.MOST_STEPS",
        500,
    ),
    Bound(
        "result",
        "one for each child, round and subject",
        "nothing; soft deletion; a practice school's reset",
        "result_is_unique",
        20_000,
    ),
    Bound("result_change", "a change of a result", "a practice school's reset", "result_change_pkey", 10_000),
    Bound(
        "school_count",
        "one for each school, round, subject, grade and sex",
        "a school that leaves the counts",
        "school_count_pkey",
        4_000,
    ),
    Bound("place_count", "the same for each place, in 32 parts", "recounting", "place_count_pkey", 4_000),
    Bound(
        "school_movement",
        "one for each school, two rounds, subject, grade, sex and level in the first of the two",
        "recounting",
        "school_movement_pkey",
        8_000,
    ),
    Bound(
        "place_movement", "the same for each place, in 32 parts", "recounting", "place_movement_pkey", 8_000
    ),
    Bound(
        "place_movement_moved",
        "what districts as they are today have of it more or less",
        "recounting",
        "place_movement_moved_pkey",
        500,
    ),
    Bound(
        "school_enrolled",
        "one for each school, year, grade and sex",
        "a school that leaves the counts",
        "school_enrolled_pkey",
        1_000,
    ),
    Bound(
        "place_enrolled", "the same for each place, in 32 parts", "recounting", "place_enrolled_pkey", 1_000
    ),
    Bound(
        "school_roll",
        "one for each school, round, subject, grade and sex",
        "a school that leaves the counts",
        "school_roll_pkey",
        1_000,
    ),
    Bound("place_roll", "the same for each place, in 32 parts", "recounting", "place_roll_pkey", 1_000),
    Bound(
        "export_run",
        "a file that is taken out",
        "sweeping two years after it was begun",
        "sweep:sweep_exports",
        100,
    ),
    Bound(
        "import_run",
        "a file that is imported",
        "sweeping two years after it ended",
        "sweep:sweep_imports",
        100,
    ),
    Bound(
        "import_added",
        "what an import adds, by id, some thousand in a row",
        "its undoing; sweeping when the import is 30 days old",
        "sweep:sweep_import_additions",
        200,
    ),
    Bound(
        "import_changed",
        "each child, school or result that an import changes, as it was before; each deed of a row of places, classes, people or assignments",
        "its undoing; sweeping when the import is 30 days old; erasing the child",
        "sweep:sweep_import_changes",
        2_000,
    ),
    Bound(
        "import_fault",
        "at most 100,000 for each import",
        "its run; imports begun later, when it is old",
        "most:rightlevel.programme.exchange.fault_file.MOST_KEPT",
        2_000,
    ),
    Bound(
        "import_preview",
        "each row of a file that is looked at before it is imported",
        "sweeping a day later, or when eight newer files were looked at; erasing the child",
        "sweep:sweep_import_previews",
        2_000,
    ),
    Bound(
        "import_row",
        "at most 100,000 for each import that leaves wrong rows out",
        "its run; imports begun later, when it is old; erasing the child",
        "most:rightlevel.programme.exchange.fault_file.MOST_KEPT",
        2_000,
    ),
    Bound(
        "import_source",
        "one for each source of files that a name is given to",
        "a further source, when there are 200",
        "most:rightlevel.programme.exchange.store.MOST_SOURCES",
        10,
    ),
    Bound(
        "flatwater_outbox",
        "a commit that makes a cache stale",
        "every process, ten minutes later",
        "sweep:sweep_outbox",
        50,
    ),
    Bound(
        "flatwater_rate_limit",
        "one for each rule and whoever asks; shared past a million",
        "the clean-up, when the allowance is full again",
        "sweep:sweep_rates",
        300,
    ),
    Bound(
        "webhook",
        "an address that is to be told of what happens, 20 at most",
        "whoever takes it away",
        "most:rightlevel.programme.webhooks.model.MOST_WEBHOOKS",
        1,
    ),
    Bound(
        "webhook_delivery",
        "what a webhook is told, while at most 1,000 of it wait",
        "sweeping a month after it was sent or given up; its webhook",
        "sweep:sweep_deliveries",
        500,
    ),
    Bound(
        "school_told",
        "one for each school and open round whose results are complete, where a webhook asks",
        "a school that is so no more; the end of the round",
        "school_told_pkey",
        20,
    ),
    Bound("clean_up", "one for each kind of clean-up", "nothing", "clean_up_pkey", 1),
    Bound("signing_key", "one for each use of a key", "nothing", "signing_key_pkey", 1),
    Bound(
        "reading_history",
        "a reading each five minutes",
        "sweeping after thirty days; months",
        "sweep:sweep_readings",
        20,
    ),
    Bound(
        "loop_standing",
        "one for each loop of each process",
        "the process as it ends; a day without a word of it",
        "sweep:forget_loops",
        10,
    ),
    Bound(
        "host_standing",
        "one for each process that serves",
        "the process as it ends; a day without a word of it",
        "sweep:forget_hosts",
        2,
    ),
    Bound("election", "one for each kind of work that one host does", "nothing", "election_pkey", 1),
    Bound(
        "guided_rules",
        "a version of what passes each task",
        "nothing; tests name theirs",
        "guided_rules_pkey",
        5,
    ),
    Bound("guided_test", "one for each guided test that was saved", "its result", "guided_test_pkey", 8_000),
    Bound(
        "exercise", "a version of an exercise for testers", "nothing; tries name theirs", "exercise_pkey", 8
    ),
    Bound(
        "exercise_attempt",
        "a try at an exercise, at most 20 of a person at a version",
        "nothing; how testers did is kept",
        "most:rightlevel.programme.exercises.model.MOST_ATTEMPTS",
        200,
    ),
    Bound("exercise_requirement", "one for each subject", "a coordinator", "exercise_requirement_pkey", 2),
    Bound("test_tool", "a version of a tool, four a subject and language", "nothing", "test_tool_pkey", 20),
    Bound(
        "verification_draw",
        "a sample that a coordinator draws",
        "a practice school's reset",
        "verification_draw_pkey",
        50,
    ),
    Bound(
        "verification",
        "a re-test: one under way for each result at most",
        "its result",
        "verification_one_under_way",
        2_000,
    ),
    Bound(
        "round_snapshot", "one for each frozen round", "nothing: frozen is for ever", "round_snapshot_pkey", 1
    ),
    Bound(
        "round_snapshot_part",
        "one for each frozen round and school",
        "nothing",
        "round_snapshot_part_pkey",
        20_000,
    ),
    Bound(
        "amendment", "a correction in a frozen round", "nothing: frozen is for ever", "amendment_pkey", 2_000
    ),
    Bound(
        "join_request",
        "a stranger who asks to join, 200 open at most",
        "sweeping: open ones after 60 days, decided ones after a year",
        "sweep:sweep_requests",
        50,
    ),
    Bound(
        "one_time_code",
        "one for each person at most",
        "its use; the clean-up, when it has run out",
        "sweep:sweep_codes",
        5,
    ),
    Bound("second_factor", "one for each person at most", "its owner, or a reset", "second_factor_pkey", 10),
    Bound(
        "recovery_code", "ten for each second factor", "its use; its second factor", "recovery_code_pkey", 50
    ),
    Bound("person_pin", "one for each person at most", "a reset", "person_pin_pkey", 10),
    Bound(
        "school_device",
        "20 for each school at most",
        "whoever takes the link away; the oldest for the 21st",
        "most:rightlevel.programme.accounts.devices.MAX_DEVICES",
        200,
    ),
    Bound(
        "device_link_code",
        "five for each school at most",
        "its use; the clean-up, when it has run out",
        "sweep:sweep_link_codes",
        20,
    ),
    Bound(
        "level_check",
        "a quick re-test of a child in a group",
        "a practice school's reset",
        "level_check_pkey",
        4_000,
    ),
    Bound(
        "grouping",
        "a proposal, one for each school and subject, and what was accepted",
        "the next proposal; a practice school's reset",
        "grouping_one_proposal",
        200,
    ),
    Bound("teaching_group", "the groups of a grouping", "its grouping", "teaching_group_pkey", 500),
    Bound("group_member", "a child that joins a group", "its group", "group_member_is_in_one_group", 8_000),
    Bound("resource", "what is put into the library", "nothing; soft deletion", "resource_pkey", 20),
    Bound(
        "resource_view",
        "one for each resource and day",
        "the day's first view, those of 400 days ago",
        "resource_view_pkey",
        100,
    ),
    Bound(
        "teaching_session",
        "a session that was held",
        "a practice school's reset",
        "teaching_session_pkey",
        4_000,
    ),
    Bound("attendance", "one for each child and session", "its session", "attendance_pkey", 40_000),
    Bound("intervention", "a special programme", "nothing; soft deletion", "intervention_pkey", 5),
    Bound(
        "intervention_enrolment",
        "a child that takes part, once at a time",
        "a practice school's reset",
        "intervention_enrolment_once_at_a_time",
        1_000,
    ),
    Bound("intervention_change", "a change of that", "its enrolment", "intervention_change_pkey", 1_000),
    Bound("visit", "a visit", "nothing; soft deletion; a practice school's reset", "visit_pkey", 4_000),
    Bound(
        "visit_change",
        "a change of a visit after it was sent",
        "a practice school's reset",
        "visit_change_pkey",
        4_000,
    ),
    Bound(
        "follow_up",
        "20 for each visit at most",
        "a practice school's reset",
        "most:rightlevel.programme.visits.model.MAX_FOLLOW_UPS",
        1_000,
    ),
    Bound(
        "planned_visit",
        "a visit that is planned, 400 days ahead at most",
        "a practice school's reset",
        "planned_visit_is_unique",
        1_000,
    ),
    Bound(
        "calendar_link",
        "five in use for each person at most",
        "the clean-up, long after it ended",
        "sweep:sweep_links",
        10,
    ),
    Bound(
        "photo",
        "five for each visit, 200 MB for each school, at most",
        "the clean-up, when it was removed or never came",
        "most:rightlevel.programme.photos.model.MAX_PHOTOS",
        500,
    ),
    Bound("photo_space", "one for each school", "a practice school's reset", "photo_space_pkey", 50),
    Bound(
        "photo_left", "a photo whose file is to be removed", "the clean-up, when it is", "photo_left_pkey", 50
    ),
    Bound(
        "roll_over",
        "one for each school and year that stands",
        "a practice school's reset",
        "roll_over_is_once",
        100,
    ),
    Bound(
        "roll_over_class", "the classes that a roll-over made", "its roll-over", "roll_over_class_pkey", 200
    ),
    Bound(
        "erased_code",
        "an erasure, one for each code that the child had",
        "a practice school's reset; an old roster may name it at any time",
        "erased_code_pkey",
        20,
    ),
    Bound(
        "not_duplicates",
        "a pair that somebody said to be two children",
        "its children",
        "not_duplicates_pkey",
        500,
    ),
    Bound(
        "student_merge",
        "a merge that stands, one for each child that is gone",
        "its children",
        "student_merge_is_once",
        200,
    ),
    Bound("form", "50 at most", "nothing", "most:rightlevel.programme.forms.model.MAX_FORMS", 50),
    Bound(
        "form_version",
        "1,000 for each form at most",
        "nothing: visits hang on it",
        "most:rightlevel.programme.forms.model.MAX_VERSIONS",
        2_000,
    ),
    Bound("backup", "a backup that was made", "the hundred newest stay", "sweep:keep_backup", 1),
    Bound("schema_migration", "one for each step of the schema", "nothing", "schema_migration_pkey", 1),
    Bound(
        "boundary_change",
        "a move, split or merge of places by a coordinator",
        "nothing: the past is read from it",
        "boundary_change_pkey",
        5,
    ),
    Bound(
        "boundary_change_place",
        "one for each place of a boundary change and what follows it",
        "nothing",
        "boundary_change_place_pkey",
        10,
    ),
    Bound(
        "boundary_change_school",
        "one for each school of a boundary change",
        "nothing",
        "boundary_change_school_pkey",
        100,
    ),
    Bound(
        "school_place",
        "a stay of a school in a place, one at a time",
        "nothing: counts of the past hang on it",
        "school_place_is_one_now",
        200,
    ),
    Bound(
        "school_change",
        "schools that are merged or split",
        "nothing; it may be undone",
        "school_change_pkey",
        5,
    ),
    Bound(
        "school_change_child",
        "one for each child that a merge or split of schools moves",
        "its school change; its child",
        "school_change_child_pkey",
        500,
    ),
    Bound("school_standing", "one for each school and year", "recounting", "school_standing_pkey", 50),
    Bound(
        "place_count_moved",
        "what districts as they are today count more or less than as they were",
        "recounting",
        "place_count_moved_pkey",
        500,
    ),
    Bound("place_roll_moved", "the same of seats", "recounting", "place_roll_moved_pkey", 500),
    Bound(
        "school_held",
        "one for each school, subject and role: mentor and teacher",
        "recounting",
        "school_held_pkey",
        20,
    ),
    Bound(
        "school_untested",
        "one for each school and round without a result, of three rounds a year",
        "the first result; recounting",
        "school_untested_pkey",
        20,
    ),
    Bound(
        "school_visits",
        "one for each school and month with visits",
        "recounting",
        "school_visits_pkey",
        200,
    ),
    Bound(
        "place_visits",
        "the same for each place, in 32 parts",
        "recounting",
        "place_visits_pkey",
        200,
    ),
    Bound("place_schools", "one for each place, in 32 parts", "recounting", "place_schools_pkey", 20),
)


def as_page(bounds: tuple[Bound, ...] = BOUNDS) -> str:
    """The bounds as the table of docs/operators/tables.md."""
    lines = [
        "| table | what adds rows | what takes them away | what holds it | at most, in MB |",
        "|---|---|---|---|---|",
    ]
    for each in sorted(bounds, key=lambda bound: bound.table):
        held = each.by.replace("sweep:", "the sweep ").replace("most:", "the ceiling ")
        lines.append(
            f"| `{each.table}` | {each.adds} | {each.removes} | `{held}` | {each.budget_megabytes:,} |"
        )
    return "\n".join(lines) + "\n"
