"""The names that people read for the codes that the database keeps, in English: keys of the catalogues."""

from __future__ import annotations

from rightlevel.web.language import N_

WORDS: dict[str, dict[str, str]] = {
    "role": {
        "admin": N_("Admin"), "coordinator": N_("Coordinator"), "mentor": N_("Mentor"), "teacher": N_("Teacher"),
        "viewer": N_("Viewer"),
    },
    "question_type": {
        "yes_no": N_("Yes or no"), "yes_no_unknown": N_("Yes, no, don’t know"), "choice": N_("One choice"), "choices": N_("Several choices"),
        "number": N_("A number"), "text": N_("A short text"), "long_text": N_("A long text"), "date": N_("A day"), "time": N_("A time"),
        "school": N_("A school"), "person": N_("A person"), "grades": N_("Grades"), "levels": N_("Levels"), "photo": N_("Photos"),
        "gps": N_("A place on the map"), "signature": N_("A signature"), "note": N_("A text to read"), "group": N_("A group, asked several times"),
        "calculated": N_("Calculated out of other answers"),
    },
    "fidelity_part": {
        "ran": N_("The class was in session"), "on_time": N_("It started on time"), "grouped": N_("Children were grouped by level"),
        "involved": N_("All children were involved"), "plan": N_("There was a plan"), "followed": N_("The plan was followed"),
        "suits_level": N_("The plan suits the levels"), "materials": N_("Materials were there"), "activities": N_("The activities"),
        "activity_clear": N_("In each activity: instructions were clear"), "activity_followed": N_("In each activity: the process was followed"),
    },
    "form_change": {"added": N_("New"), "removed": N_("Removed"), "changed": N_("Changed"), "moved": N_("Moved")},
    "likeness": {
        "name_same": N_("the same name"), "name_alike": N_("names written alike"), "name_sounds": N_("names that sound alike"),
        "sex_same": N_("the same sex"), "sex_differs": N_("another sex"), "grade_same": N_("the same grade"), "grade_next": N_("the next grade"),
        "grade_differs": N_("another grade"), "birth_same": N_("the same birthday"), "birth_alike": N_("birthdays alike"),
        "birth_differs": N_("another birthday"), "age_same": N_("the same age"), "age_alike": N_("a year apart"), "age_differs": N_("another age"),
        "other_school": N_("another school"),
    },
    "stint_end": {
        "transfer": N_("went to another school"), "promotion": N_("went up with the school"), "repeat": N_("stayed in its grade"),
        "finished": N_("finished"), "left": N_("left school"), "change": N_("went to another class or year"), "import": N_("changed by an import"),
        "correction": N_("corrected afterwards"), "merged": N_("told by a record that is one with this now"),
    },
    "subject": {"language": N_("Reading"), "math": N_("Mathematics")},
    "round": {"baseline": N_("Baseline"), "midline": N_("Midline"), "endline": N_("Endline")},
    "round_state": {"planned": N_("Planned"), "open": N_("Open"), "closed": N_("Closed"), "frozen": N_("Frozen")},
    "place": {
        "country": N_("Country"), "province": N_("Province"), "district": N_("District"), "commune": N_("Commune"),
        "village": N_("Village"), "cluster": N_("Cluster"),
    },
    "level": {
        "beginner": N_("Beginner"), "letter": N_("Letters"), "word": N_("Words"), "paragraph": N_("Paragraph"),
        "story": N_("Story"), "comprehension1": N_("Comprehension 1"), "comprehension2": N_("Comprehension 2"),
        "number_1digit": N_("1-digit numbers"), "number_2digit": N_("2-digit numbers"),
        "subtraction": N_("Subtraction"), "division": N_("Division"), "word_problems": N_("Word problems"),
    },
    "level_name": {
        "connections": N_("Database connections"), "memory_bytes": N_("Memory of program and database"),
        "query_p95_s": N_("Statements: 95 of 100 took at most"), "rate_limit_rows": N_("Rate-limit rows"),
        "cache_hit_rate": N_("Found in caches"), "idle_connections": N_("Idle connections"),
        "longest_statement_s": N_("Longest statement at work"), "idle_in_transaction": N_("Idle in a transaction"),
        "turning_away_s": N_("Requests turned away without a pause"),
    },
    "verdict": {
        "ok": N_("good"), "off_target": N_("off target"), "warning": N_("warning"), "critical": N_("critical"), "not_examined": N_("not examined"),
    },
    "severity": {
        "ok": N_("good"), "notice": N_("worth knowing"), "warning": N_("warning"), "critical": N_("critical"), "not_examined": N_("not examined"),
    },
    "loop_state": {"running": N_("turns"), "failing": N_("fails, is tried again"), "ended": N_("ended"), "dead": N_("stands still")},
    "history": {
        "memory": N_("Memory"), "connections": N_("Connections"), "query_p95": N_("Statements: 95 of 100 took at most"),
    },
    "verification": {
        "pending": N_("Waits for a re-test"), "agreed": N_("Tests agree"), "disagreed": N_("Tests differ"), "resolved": N_("Decided"),
        "returned": N_("Returned"), "withdrawn": N_("Taken back"), "ended": N_("Over"),
    },
    "ended_why": {
        "changed": N_("The result was changed after it was tested again."),
        "not_assessed": N_("The result says now that the child was not tested."),
        "removed": N_("The result was removed."),
        "answered": N_("The teacher stands by the result."),
        "frozen": N_("The round was frozen before it was tested again."),
    },
    "boundary": {"move": N_("Moved"), "split": N_("Split"), "merge": N_("Merged")},
    "import_state": {"waiting": N_("waiting"), "reading": N_("reading"), "saving": N_("saving")},
    "outcome": {
        "assessed": N_("Tested"), "absent": N_("Absent"), "refused": N_("Refused"), "left": N_("Left school"),
        "done": N_("Done"), "denied": N_("Denied"), "failed": N_("Failed"),
    },
    "record_deed": {
        "change": N_("Corrected"), "transfer": N_("Moved"), "leave": N_("Left school"), "return": N_("Came back to school"), "delete": N_("Deleted"),
        "restore": N_("Restored"), "consent": N_("A guardian agreed"), "withdraw_consent": N_("A guardian’s consent was taken back"),
        "merge": N_("Made one with another record"), "unmerge": N_("Made two again"), "roll_over": N_("The school went into a new year"),
        "undo_roll_over": N_("The school went back into the old year"), "import": N_("Imported"), "put_back": N_("Name put back"),
        "unknown": N_("Changed"),
    },
    "record_field": {
        "name": N_("Name"), "code": N_("Code"), "sex": N_("Sex"), "grade": N_("Grade"), "class_id": N_("Class"), "school_id": N_("School"),
        "school_year_id": N_("School year"), "birth_on": N_("Birth date"), "age": N_("Age in years"), "status": N_("At school"),
        "left_on": N_("Left on"), "left_reason": N_("Why"), "guardian_contact": N_("A guardian’s contact"), "guardian_consent_on": N_("Guardian agreed on"),
        "guardian_withdrawn_on": N_("Taken back on"), "deleted": N_("Deleted"), "merged_into": N_("Made one with"),
    },
    "at_school": {"active": N_("Yes"), "left": N_("No")},
    "yes_no": {"yes": N_("Yes"), "no": N_("No")},
    "request_state": {"open": N_("Waiting"), "approved": N_("Approved"), "declined": N_("Declined")},
    "sex": {"0": N_("Not known"), "1": N_("Boy"), "2": N_("Girl"), "9": N_("Not stated")},
    "deed": {
        "create": N_("Create"), "cure": N_("Cure"), "archive": N_("Move to a file"), "various": N_("Various attempts"), "change": N_("Change"), "delete": N_("Delete"), "restore": N_("Bring back"),
        "sign_in": N_("Sign in"), "sign_out": N_("Sign out"), "change_password": N_("Change the password"),
        "reset_password": N_("Give a new password"), "activate": N_("Switch on"), "deactivate": N_("Switch off"),
        "revoke": N_("Revoke"), "choose_language": N_("Choose a language"), "end": N_("End"), "lock": N_("Lock"),
        "unlock": N_("Unlock"), "open": N_("Open it"), "close": N_("Close"), "enter": N_("Enter"),
        "begin_sign_in": N_("Password accepted, second step asked for"), "choose_password": N_("Choose a password with a code"),
        "enrol": N_("Set up"), "begin_enrol": N_("Begin to set up"), "remove": N_("Take away"), "reset": N_("Reset"),
        "renew_codes": N_("New recovery codes"), "choose": N_("Choose"), "invite": N_("Make a code to link a device"),
        "link": N_("Link"), "ask": N_("Ask to join"), "approve": N_("Approve"), "decline": N_("Decline"),
        "revoke_others": N_("Sign out everywhere else"), "export": N_("Export"),
        "verify": N_("Test again"), "draw": N_("Draw a sample"), "resolve": N_("Decide"), "return": N_("Return"), "answer": N_("Stand by it"),
        "withdraw": N_("Take back"), "change_state": N_("Open or close"), "freeze": N_("Freeze"),
        "import": N_("Import"), "undo": N_("Undo"), "override": N_("Override"), "record": N_("Enter"),
        "amend": N_("Amend"), "propose": N_("Propose"), "hand_over": N_("Hand over"), "accept": N_("Accept"), "move": N_("Move"), "check": N_("Test again"),
        "transfer": N_("Moved"), "leave": N_("Left school"), "consent": N_("A guardian agreed"), "merge": N_("Made one with another record"),
        "unmerge": N_("Made two again"), "put_back": N_("Name put back"), "confirm_name": N_("The same child"),
        "withdraw_consent": N_("A guardian’s consent was taken back"), "erase": N_("Erase who this child was"),
        "split": N_("Split"), "reopen": N_("Open again"),
    },
    "resource": {
        "session": N_("Session"), "person": N_("Person"), "assignment": N_("Assignment"), "school": N_("School"),
        "place": N_("Place"), "class": N_("Class"), "school_year": N_("School year"), "student": N_("Child"),
        "round": N_("Round"), "result": N_("Result"), "api_token": N_("API token"), "import": N_("Import"),
        "route": N_("Page or address"), "second_factor": N_("Second step at sign-in"), "pin": N_("PIN"),
        "device": N_("Device of a school"), "join_request": N_("Request to join"), "setting": N_("Setting"),
        "verification": N_("Re-test"), "audit": N_("Activity"), "self": N_("Own account"), "figure": N_("Figures"), "metric": N_("Operations"),
        "group": N_("Group"), "teaching": N_("Session held"), "resource": N_("Library entry"), "intervention": N_("Special programme"),
    },
    "field": {
        "visited_on": N_("Day"), "session_ran": N_("Was there a session?"), "not_ran_reason": N_("Why not?"), "feedback": N_("Feedback given"),
        "recommendations": N_("Recommendations"), "owner_id": N_("Who"), "due_on": N_("Until when"), "planned_on": N_("Day"),
        "mentor_id": N_("Mentor"), "teacher_id": N_("Teacher"),
        "username": N_("Username"), "display_name": N_("Name"), "email": N_("E-mail"), "role": N_("Role"),
        "language": N_("Language"), "password": N_("New password"), "old": N_("Present password"),
        "days": N_("Valid for (days)"), "label": N_("What it is for"), "reason": N_("Reason"),
        "time_zone": N_("Time zone"), "school_id": N_("School"), "subject": N_("Subject"), "class_id": N_("Class"), "from_on": N_("From"),
        "to_on": N_("Until"), "code": N_("Code"), "name": N_("Name"), "name_local": N_("Name"),
        "name_latin": N_("Name in Latin letters"), "grade": N_("Grade"), "section": N_("Section"), "sex": N_("Sex"),
        "kind": N_("Kind"), "starts_on": N_("Starts"), "ends_on": N_("Ends"), "level": N_("Level"),
        "place_id": N_("Place"), "parent_id": N_("Place"), "school_year_id": N_("School year"),
        "ownership": N_("Ownership"), "area": N_("Area"), "latitude": N_("Latitude"), "longitude": N_("Longitude"),
        "birth_on": N_("Birth date"), "age": N_("Age in years"), "guardian_contact": N_("Guardian's contact"),
        "guardian_consent_on": N_("Guardian agreed on"), "left_on": N_("Since when?"), "file": N_("File (CSV or XLSX)"),
        "contact": N_("Telephone or e-mail"), "school_wished": N_("School"), "words": N_("Anything else"),
        "pin": N_("PIN"), "resources": N_("What it reaches"), "role_wished": N_("Role"), "person_id": N_("Person"),
        "outcome": N_("Outcome"), "assessed_on": N_("Date of the test"), "tested_on": N_("Date of the test"), "tool": N_("Tool"), "choice": N_("Level"),
        "stands": N_("Which level stands?"), "margin": N_("How precise, in percent"), "confidence": N_("Confidence"),
        "expected": N_("How many will agree, in percent"), "seed": N_("Seed"), "visible_on": N_("Mentors see it from"), "notes": N_("Notes"),
        "grade_from": N_("From grade"), "grade_to": N_("To grade"), "target_size": N_("Children in a group"), "teacher_ids": N_("Teachers"),
        "to_parent_id": N_("Below which place?"), "into_place_id": N_("Into which place?"), "moved_on": N_("Day"),
        "held_on": N_("Day"), "checked_on": N_("Day"), "minutes": N_("Minutes"), "activity": N_("Activity"),
        "resource_id": N_("Activity"), "title": N_("Title"), "url": N_("Address"), "level_from": N_("From level"), "level_to": N_("To level"),
    },
}  # fmt: skip
"""Vocabulary → code → English. A code that is not here is shown as it is, its underscores as spaces."""


def word(vocabulary: str, code: object) -> str:
    """The English for a code. *Errors*: KeyError for a vocabulary that there is none of."""
    text = str(code)
    return WORDS[vocabulary].get(text, text.replace("_", " "))
