"""Secrets compared letter by letter."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Module, assignments, called, last_name, shown

_SECRET: Final = re.compile(
    r"(?:^|_)(?:secret|secret_key|password|passwd|api_?key|hmac|x?csrf|xsrf|otp|passcode|access_key|credential)$|^token$"
    r"|(?:^|_)(?:access|admin|api|auth|bearer|client|hub|id|invite|magic|refresh|reset|server|service|session|shared|sync|user|verification|x?[cx]srf)_?token$",
    re.IGNORECASE,
)
"""A token of a parser or of an order (`order_token`) is none, so tokens are named."""
_SIGNED: Final = re.compile(r"(?:^|_)(?:signature|sig|digest)$", re.IGNORECASE)
_SIGNS: Final = re.compile(r"hmac|secret|headers|webhook|api_?key", re.IGNORECASE)
"""What a function speaks of where a signature proves who sent something; elsewhere it is a function's, or a checksum."""
_HARMLESS: Final = re.compile(
    r"page|next|cursor|continuation|sync|confirm|repeat|again|(?:^|_)re_|retype|old_|new_|first|public|last_|prev|current_token|type|kind|verify_password|sentinel|default|env_|user_?name|reservation|lease|fencing|lock|redact|marker|mask|placeholder|pending|^new$|^old$|^other$|^self$",
    re.IGNORECASE,
)
_LOCK: Final = re.compile(r"(?<![a-z])lock", re.IGNORECASE)
"""The token of a lock says whose it is; nobody is let in by it."""
_AGAIN: Final = re.compile(r"match|confirm|same|identical|repeat", re.IGNORECASE)
_PRETENDS: Final = re.compile(r"(?:Fake|Dummy|Mock|Stub|Test)", re.IGNORECASE)
_DEEDS: Final = re.compile(
    r"(?:remove|set|reset|change|forgot|send|verify|check|update|create|delete|make|has|is|needs)_"
)
_BUILDERS: Final = frozenset(
    {
        "where",
        "filter",
        "filter_by",
        "and_",
        "or_",
        "select",
        "having",
        "join",
        "delete",
        "update",
        "outerjoin",
        "on",
    }
)
_LEXES: Final = re.compile(r"\b(?:tokenize|lexer|parser|tokenizer)\b", re.IGNORECASE)


def _seek(module: Module, app: App) -> Iterator[Hit]:
    if _LEXES.search(module.name) or module.is_run_by_hand:  # who runs it holds the secret already
        return
    for node in module.nodes():
        match node:
            case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq()], comparators=[right]):
                if not _is_secret(module, node, left, right) or _in_query(module, node):
                    continue
                if _keeps_out(module, node) and not _gives_one(module, node):
                    seen = app.route_of(module.function_of(node)) is not None and not _chooses(module, node)
                    yield Hit(
                        node,
                        f"`{shown(node)}` stops at the first letter that differs.",
                        None if seen else "P3",
                    )
            case _:
                pass


def _keeps_out(module: Module, node: ast.Compare) -> bool:
    """Whether something ends or is answered by it: a branch that only notes what was seen keeps nobody out."""
    branch = next(
        (each for each in module.ancestors(node) if isinstance(each, ast.If | ast.While)),
        None,
    )
    if branch is None or not any(each is node for each in ast.walk(branch.test)):
        return True
    function = module.function_of(node)
    given = {
        each.id
        for told in (function.body() if function else ())
        if isinstance(told, ast.Return)
        for each in ast.walk(told)
        if isinstance(each, ast.Name)
    }
    decides = any(name in given for statement in branch.body for name, _ in assignments(statement))
    leaves = any(
        isinstance(each, ast.Return | ast.Raise) for statement in branch.body for each in ast.walk(statement)
    )
    after = module.parents.get(branch)
    follows = getattr(after, "body", [])
    last = follows[follows.index(branch) + 1 :] if branch in follows else []
    return leaves or decides or bool(branch.orelse) or any(isinstance(each, ast.Raise) for each in last)


def _gives_one(module: Module, node: ast.Compare) -> bool:
    """Whether a difference only decides which of the two is used: `if own != default: return own`."""
    branch = next((each for each in module.ancestors(node) if isinstance(each, ast.If)), None)
    if branch is None or not isinstance(node.ops[0], ast.NotEq):
        return False
    sides = {ast.dump(node.left), ast.dump(node.comparators[0])}
    return any(
        isinstance(each, ast.Return) and each.value is not None and ast.dump(each.value) in sides
        for each in branch.body
    )


def _chooses(module: Module, node: ast.Compare) -> bool:
    """Whether it picks one of several, or only notes what it saw: whoever is picked out proves nothing by it."""
    here = module.parents.get(node)
    while here is not None and not isinstance(here, ast.stmt):
        if isinstance(here, ast.Lambda | ast.comprehension | ast.IfExp):
            return True
        here = module.parents.get(here)
    return isinstance(here, ast.Assign | ast.AnnAssign)


def _is_secret(module: Module, node: ast.Compare, left: ast.expr, right: ast.expr) -> bool:
    if not (_varies(left) and _varies(right)):
        return False
    words = [_word(left), _word(right)]
    if any(_HARMLESS.search(each) for each in words if each) or _LOCK.search(ast.unparse(node)):
        return False
    if _is_typed_twice(left, right) or _stores(module, node) or _lets_nobody_in(module, node):
        return False
    if _was_looked_up(module, node, left, right):
        return False
    if any(_is_deed(each) or _is_hash_made_here(module, node, each) for each in (left, right)):
        return False
    if any(_SECRET.search(each) for each in words if each):
        return True
    function = module.function_of(node)
    signed = any(_SIGNED.search(each) for each in words if each)
    return signed and function is not None and _SIGNS.search(ast.unparse(function.node)) is not None


def _is_typed_twice(left: ast.expr, right: ast.expr) -> bool:
    """Whether both came from the same hands: `password` and `password_2`, `password` and `current_password`."""
    first, second = _word(left), _word(right)
    if isinstance(left, ast.Name) and isinstance(right, ast.Name):
        first, second = first.removeprefix("current_"), second.removeprefix("current_")
    return _word(left) != _word(right) and first.rstrip("_12") == second.rstrip("_12") != ""


def _stores(module: Module, node: ast.Compare) -> bool:
    """Whether it asks if a secret has changed, to keep the new one: what differs is stored, and nobody is let in or kept out."""
    branch = next((each for each in module.ancestors(node) if not isinstance(each, ast.BoolOp)), None)
    if not isinstance(branch, ast.If) or not isinstance(node.ops[0], ast.NotEq):
        return False
    targets = [target for each in branch.body if isinstance(each, ast.Assign) for target in each.targets]
    return any(
        isinstance(each, ast.Attribute)
        and _SECRET.search(each.attr.removesuffix("_enc").removesuffix("_hash"))
        for each in targets
    )


def _lets_nobody_in(module: Module, node: ast.Compare) -> bool:
    """Whether what is decided is which object is meant, which row of a list is left out, or whether somebody typed the same twice."""
    function = module.function_of(node)
    if function is None:
        return False
    if (
        function.name in {"__eq__", "__ne__"}
        or _AGAIN.search(function.name)
        or _PRETENDS.match(function.owner or "")
    ):
        return True
    branch = next((each for each in module.ancestors(node) if isinstance(each, ast.If)), None)
    if branch is None:
        return False
    if any(isinstance(each, ast.Continue) for each in branch.body):
        return any(isinstance(each, ast.For | ast.AsyncFor) for each in module.ancestors(branch))
    said = " ".join(
        each.value
        for statement in branch.body
        for each in ast.walk(statement)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    )
    return (
        re.search(r"pass\w*.*(?:do(?:es)? not|don't|doesn't|mis-?) ?match", said, re.IGNORECASE) is not None
    )


def _was_looked_up(module: Module, node: ast.Compare, left: ast.expr, right: ast.expr) -> bool:
    """Whether the row was found by the very secret that it is compared with: then both are the same, whoever asks."""
    function = module.function_of(node)
    for row, given in ((left, right), (right, left)):
        if function is None or not isinstance(row, ast.Attribute) or not isinstance(row.value, ast.Name):
            continue
        for made in module.local_values(function, row.value.id):
            for each in ast.walk(made):
                if (
                    isinstance(each, ast.keyword)
                    and each.arg == row.attr
                    and ast.dump(each.value) == ast.dump(given)
                ):
                    return True
    return False


def _is_deed(node: ast.expr) -> bool:
    """Whether its name is what is done with a secret: `bulk_edit.remove_password`."""
    return _DEEDS.match(last_name(node)) is not None


def _is_hash_made_here(module: Module, node: ast.AST, side: ast.expr) -> bool:
    """Whether a side was hashed in the same function: nobody chooses the letters of a hash."""
    function = module.function_of(node)
    if not isinstance(side, ast.Name) or function is None:
        return False
    values = module.local_values(function, side.id)
    return bool(values) and all(
        isinstance(each, ast.Call) and "hash" in called(each).lower() for each in values
    )


def _word(node: ast.expr) -> str:
    match node:
        case ast.Call(func=ast.Attribute(attr="hexdigest" | "digest")):
            return "digest" if re.search(r"hmac", ast.unparse(node), re.IGNORECASE) else ""
        case ast.Call(
            func=ast.Attribute(value=value, attr="encode" | "decode" | "strip" | "lower" | "get_secret_value")
        ):
            return _word(value)
        case _:
            return last_name(node)


def _varies(node: ast.expr) -> bool:
    """Whether a side is known only when it runs: not a literal, not `Kind.TOKEN`, not a length or a type."""
    match node:
        case ast.BinOp(left=ast.Constant(), right=ast.Constant()):
            return False
        case ast.Constant() | ast.List() | ast.Tuple() | ast.Set() | ast.Dict() | ast.UnaryOp():
            return False
        case ast.Attribute(value=ast.Name(id=holder), attr=attr):
            # `User.token == …` makes a condition for the database; `Kind.TOKEN` is one of an enumeration.
            return not (holder[:1].isupper() and not holder.isupper()) and not (
                attr.isupper() and holder[:1].isupper() and not holder.isupper()
            )
        case ast.Attribute(value=ast.Attribute(attr=holder)):
            return not (holder[:1].isupper() and not holder.isupper())
        case ast.Call() if called(node) in {"len", "type", "str", "int", "hash", "id"}:
            return called(node) == "str"
        case _:
            return True


def _in_query(module: Module, node: ast.AST) -> bool:
    return any(isinstance(each, ast.Call) and called(each) in _BUILDERS for each in module.ancestors(node))


RULE = Rule(
    name="secret-compared",
    priority="P1",
    reason="The time it takes tells how many letters were right, so a secret can be found letter by letter.",
    change="Compare with hmac.compare_digest (or secrets.compare_digest), and keep only a hash.",
    seek=_seek,
    bad="""
@app.post("/cron")
def cron(request, settings):
    if request.headers.get("token") != settings.cron_secret:
        return 403
""",
    good="""
import hmac

@app.post("/cron")
def cron(request, settings):
    if not hmac.compare_digest(request.headers.get("token", ""), settings.cron_secret):
        return 403
    if request.kind == Kind.TOKEN or request.password == "":
        return 400

def keep(server, known_token, new):
    if known_token != new["token"]:
        server.token_enc = encrypted(new["token"])

def chosen(password, password_2, store, token):
    return password == password_2 and store.get(BUILD_LOCK) == token
""",
)
