"""The review pack: what a district's meeting has on the table, last meeting's actions first.

Public: `read_review_pack`; `ReviewQuery`, `ReviewPack`, `ReviewSubject`.
"""

from rightlevel.programme.review.actions import read_review_pack
from rightlevel.programme.review.model import ReviewPack, ReviewQuery, ReviewSubject

__all__ = ["ReviewPack", "ReviewQuery", "ReviewSubject", "read_review_pack"]
