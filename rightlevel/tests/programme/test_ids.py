import time
import uuid

from rightlevel.programme.ids import time_ordered_id


def test_ids_are_version_7_unique_and_in_the_order_of_their_making() -> None:
    first = time_ordered_id()
    time.sleep(0.002)
    many = [time_ordered_id() for _ in range(2_000)]
    assert all((uuid.UUID(each).version, uuid.UUID(each).variant) == (7, uuid.RFC_4122) for each in many)
    assert len(set(many)) == len(many)
    assert all(first < each for each in many)
