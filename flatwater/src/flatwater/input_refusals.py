"""What is wrong with what was sent, as far as answers know it; `flatwater.inputs` finds it."""

from __future__ import annotations

from collections.abc import Sequence


class InputInvalid(Exception):
    """What was sent does not have the shape that this address takes."""

    def __init__(self, message: str, *, where: str) -> None:
        super().__init__(message)
        self.where = where


class UnknownField(InputInvalid):
    """This address does not take {names}. Nothing was done."""

    def __init__(self, names: Sequence[str], *, where: str) -> None:
        self.names = list(names)
        super().__init__((type(self).__doc__ or "").format(names=", ".join(names)), where=where)


class SentTwice(InputInvalid):
    """{names} was sent more than once. Nothing was done."""

    def __init__(self, names: Sequence[str], *, where: str) -> None:
        self.names = list(names)
        super().__init__((type(self).__doc__ or "").format(names=", ".join(names)), where=where)
