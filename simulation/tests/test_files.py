"""What is read off a page and summed for a file is what the model's own matrix says."""

from __future__ import annotations

from simulation.files import matrix_of, summed

PAGE = """<table class="counts matrix"><thead><tr><th>Level</th></tr></thead><tbody><tr><th scope="row"><span>Beginner</span></th>
<td class="num stays">·</td><td class="num heat-2">1,203</td><td class="num mute">0</td><td class="num mute">0</td><td class="num mute">2</td>
<td class="num mute">1</td><td class="num"><strong>1,206</strong></td></tr><tr><th scope="row"><span>Letter</span></th>
<td class="num heat-4">4</td><td class="num stays">·</td><td class="num mute">0</td><td class="num mute">3</td><td class="num mute">0</td>
<td class="num mute">0</td><td class="num"><strong>7</strong></td></tr></tbody></table>"""


def test_amatrix_of_is_read_off_its_page_andsummed_as_its_file_does() -> None:
    moved = {"1 to 2": 1203, "1 to left": 2, "1 to without a result": 1, "2 to 1": 4, "2 to refused": 3}
    assert matrix_of(PAGE, 2) == moved
    assert summed(moved) == {
        "assessed": 1213,
        "matched": 1207,
        "improved": 1203,
        "same": 0,
        "declined": 4,
        "absent": 0,
        "refused": 3,
        "left": 2,
        "without_result": 1,
    }
