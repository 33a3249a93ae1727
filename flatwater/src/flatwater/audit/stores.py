"""The containers that live as long as the process: where they are made, filled and emptied."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.source import Function, Module, keyword, last_name

GROWS: Final = frozenset({"append", "add", "extend", "insert", "update", "setdefault", "appendleft"})
SHRINKS: Final = frozenset({"pop", "popitem", "popleft", "clear", "remove", "discard", "difference_update"})
_LISTS: Final = frozenset({"list", "set", "deque", "bytearray"})
_MAPPINGS: Final = frozenset({"dict", "defaultdict", "OrderedDict", "Counter"})


STATE: Final = "application.state"
"""The owner of what hangs on an application's `state`."""


class Store:
    """One container bound to a module's or a class's name."""

    __slots__ = ("is_mapping", "module", "name", "node", "owner")

    def __init__(
        self, module: Module, owner: str | None, name: str, node: ast.AST, *, is_mapping: bool
    ) -> None:
        self.module = module
        self.owner = owner
        self.name = name
        self.node = node
        self.is_mapping = is_mapping

    def is_named_by(self, node: ast.AST) -> bool:
        """Whether an expression names it, in its own module or through an import of its name."""
        match node:
            case ast.Name(id=name):
                return self.owner is None and name == self.name
            case ast.Attribute(value=ast.Attribute(attr="state"), attr=attr):
                return self.owner == STATE and attr == self.name
            case ast.Attribute(value=ast.Name(id=holder), attr=attr):
                if attr != self.name or self.owner == STATE:
                    return False
                return (
                    holder in {"self", "cls", self.owner}
                    if self.owner
                    else holder == self.module.name.rpartition(".")[2]
                )
            case _:
                return False


def stores_of(module: Module) -> Iterator[Store]:
    """The unbounded containers that a module makes at its top, or in the body of a class."""
    own = _of_objects(module)
    bodies: list[tuple[str | None, list[ast.stmt]]] = [(None, module.tree.body)]
    bodies += [(name, node.body) for name, node in module.classes.items()]
    for owner, body in bodies:
        for statement in body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    pass
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    pass
                case _:
                    continue
            kind = _kind(module, value)
            if isinstance(statement, ast.AnnAssign) and owner and _copies_defaults(module.classes[owner]):
                continue
            if kind is not None and not (owner and name in own):
                yield Store(module, owner, name, statement, is_mapping=kind == "mapping")
    yield from _of_single_objects(module)
    yield from _of_state(module)


def _of_single_objects(module: Module) -> Iterator[Store]:
    """The containers of objects that the module makes at its top, and which live as long as it does."""
    single = {
        value.func.id
        for value in module.assigned.values()
        if isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id in module.classes
    }
    for owner in sorted(single):
        made = module.functions.get(f"{owner}.__init__")
        for statement in made.body() if made else ():
            match statement:
                case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=value):
                    pass
                case ast.AnnAssign(
                    target=ast.Attribute(value=ast.Name(id="self"), attr=name), value=ast.expr() as value
                ):
                    pass
                case _:
                    continue
            kind = _kind(module, value)
            if kind is not None:
                yield Store(module, owner, name, statement, is_mapping=kind == "mapping")


def _of_state(module: Module) -> Iterator[Store]:
    """The containers that an application's `state` is given."""
    for statement in module.nodes():
        match statement:
            case ast.Assign(
                targets=[ast.Attribute(value=ast.Attribute(value=ast.Name(), attr="state"), attr=name)],
                value=value,
            ):
                kind = _kind(module, value)
                if kind is not None:
                    yield Store(module, STATE, name, statement, is_mapping=kind == "mapping")
            case _:
                pass


def _copies_defaults(holder: ast.ClassDef) -> bool:
    """Whether each object of a class gets its own copy of what its fields are given: pydantic's, SQLModel's and msgspec's do."""
    return any(last_name(each).endswith(("Model", "Struct", "Schema")) for each in holder.bases)


def _kind(module: Module, value: ast.expr) -> str | None:
    match value:
        case ast.List() | ast.Set() | ast.ListComp() | ast.SetComp():
            return "list"
        case ast.Dict() | ast.DictComp():
            return "mapping"
        case ast.Call():
            name = module.dotted(value.func).rpartition(".")[2]
            if name in _MAPPINGS:
                return "mapping"
            bounded = keyword(value, "maxlen") is not None or (name == "deque" and len(value.args) == 2)
            return "list" if name in _LISTS and not bounded else None
        case _:
            return None


def growths(app: App, store: Store) -> Iterator[tuple[Function, ast.AST]]:
    """Where functions put something into it whose number is not fixed by the source."""
    for function in _near(app, store):
        if _shadows(function, store) or _is_anothers(function, store):
            continue
        for node in function.body():
            if _grows(app, function, store, node):
                yield function, node


def _grows(app: App, function: Function, store: Store, node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=held, attr=attr)) if attr in GROWS and store.is_named_by(held):
            return not (
                attr in {"setdefault", "add", "append"}
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ) and not (attr == "update" and _has_named_keys(node))
        case (
            ast.Assign(targets=[*_, ast.Subscript(value=held, slice=key)])
            | ast.AugAssign(target=ast.Subscript(value=held, slice=key))
        ):
            return store.is_mapping and store.is_named_by(held) and not _is_one_of_few(app, function, key)
        case ast.AugAssign(target=target, op=ast.Add() | ast.BitOr()):
            return not store.is_mapping and store.is_named_by(target) and store.owner is None
        case ast.Call(func=ast.Attribute(value=ast.Subscript(value=held, slice=key), attr=attr)) if (
            attr in GROWS
        ):
            # defaultdict(list)[key].append(…) fills two things at once.
            return store.is_mapping and store.is_named_by(held) and not _is_one_of_few(app, function, key)
        case _:
            return False


def _is_one_of_few(app: App, function: Function, key: ast.expr) -> bool:
    """Whether the source itself names every key: a literal, a constant, or a parameter that each caller gives one of these."""
    if _is_named_once(key):
        return True
    if not isinstance(key, ast.Name):
        return False
    places = [each.arg for each in function.parameters()]
    if key.id not in places:
        values = function.module.local_values(function, key.id)
        return bool(values) and all(_is_named_once(each) for each in values)
    given: list[ast.expr | None] = []
    for call, caller in app.calls_named(function.name):
        if len(call.args) > places.index(key.id):
            value = call.args[places.index(key.id)]
        else:
            value = keyword(call, key.id)
        if isinstance(value, ast.Name) and not _is_named_once(value):
            values = caller.module.local_values(caller, value.id)
            given += values or [None]
        else:
            given.append(value)
    return bool(given) and all(each is not None and _is_named_once(each) for each in given)


def _has_named_keys(call: ast.Call) -> bool:
    """Whether every key that an `update` gives stands in the source: `VERSIONS.update({"api": …})`, `update(api=…)`."""
    literal = all(
        isinstance(each, ast.Dict) and all(key is not None and _is_named_once(key) for key in each.keys)
        for each in call.args
    )
    return literal and all(each.arg is not None for each in call.keywords)


def _is_named_once(node: ast.expr) -> bool:
    """Whether an expression is a literal or a constant: `"food"`, `FOOD`, `Automation.FOOD_ALIAS`."""
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            return name.isupper()
        case ast.Attribute(value=ast.Name(id=holder) | ast.Attribute(attr=holder), attr=attr):
            return attr.isupper() and holder[:1].isupper()
        case _:
            return False


def is_bounded(app: App, store: Store) -> bool:
    """Whether something takes things out of it, makes it anew, or asks how long it has become."""
    return any(
        _shrinks(store, node)
        for module in _modules_near(app, store)
        for node in module.nodes()
        if not (module is store.module and module.statement_of(node) is store.node)
    )


def _shrinks(store: Store, node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=held, attr=attr) if attr in SHRINKS:  # called, or handed over to be called
            return store.is_named_by(held) or (
                isinstance(held, ast.Subscript) and store.is_named_by(held.value)
            )
        case ast.Delete(targets=targets):
            return any(isinstance(each, ast.Subscript) and store.is_named_by(each.value) for each in targets)
        case ast.Assign(targets=targets):
            return any(store.is_named_by(each) or _slice_of(store, each) for each in targets)
        case ast.Call(func=ast.Name(id="len"), args=[held]):
            return store.is_named_by(held)
        case ast.Global(names=names):
            return store.owner is None and store.name in names
        case _:
            return False


def _slice_of(store: Store, node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Slice)
        and store.is_named_by(node.value)
    )


def _modules_near(app: App, store: Store) -> Iterator[Module]:
    """The modules that may mean it: its own, and those that import its name or its class."""
    whole = f"{store.module.name}.{store.owner or store.name}"
    for module in app.modules.values():
        named = module.imports.values()
        if module is store.module or whole in named or store.module.name in named:
            yield module


def _near(app: App, store: Store) -> Iterator[Function]:
    for module in _modules_near(app, store):
        if module is store.module or store.owner is None:
            yield from module.all_functions()


def _of_objects(module: Module) -> set[str]:
    """The attributes that some method gives each object for itself: `self.items = []` hides the class's `items`."""
    return {
        node.attr
        for node in module.nodes()
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


def _is_anothers(function: Function, store: Store) -> bool:
    """Whether `self` means an object of another class there."""
    if store.owner in {None, STATE}:
        return False
    owner = next((each.owner for each in function.chain() if each.owner), None)
    return owner is not None and owner != store.owner and store.owner not in _bases(function.module, owner)


def _bases(module: Module, owner: str) -> set[str]:
    holder = module.classes.get(owner)
    return {last_name(each) for each in holder.bases} if holder else set()


def _shadows(function: Function, store: Store) -> bool:
    """Whether the name means something of the function's own there."""
    if store.owner is not None:
        return False
    if any(each.arg == store.name for each in function.parameters()):
        return True
    return any(
        isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == store.name
        for node in function.body()
    )
