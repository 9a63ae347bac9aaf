"""One name, one thing: no public name of grokscope is defined in two modules."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import grokscope

PACKAGE = Path(grokscope.__file__).parent

SHARED = {
    "ProbeCallback": "what each framework's module of callbacks offers; it is called as `own.lightning.ProbeCallback`",
    "SPEC": "what the entry point of every signal and every intervention names",
    "opened_sink": "what the module of every tracker offers",
    "section": "what every module of a report's sections offers; it is called as `law.section`",
}
"""Names that several modules may define, and why"""


def defined(node: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top of a module defines: functions, classes, constants, type aliases."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.If(body=body, orelse=other) | ast.Try(body=body, orelse=other):
            for each in (*body, *other):
                yield from defined(each)


def homes(package: Path) -> dict[str, set[str]]:
    """The modules that define each public name."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in sorted(package.rglob("*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            for name in defined(node):
                if not name.startswith("_"):
                    found[name].add(file.relative_to(package).as_posix())
    return found


def test_one_name_means_one_thing() -> None:
    shared = {name: sorted(files) for name, files in homes(PACKAGE).items() if len(files) > 1 and name not in SHARED}
    assert shared == {}, "rename all but one, or make it private; an exception needs a reason in SHARED"


def test_every_exception_is_one() -> None:
    assert [name for name in SHARED if len(homes(PACKAGE)[name]) < 2] == []


def test_the_search_sees_all_kinds_of_definitions(tmp_path: Path) -> None:
    for file in ("one.py", "two.py"):
        (tmp_path / file).write_text(
            "def f(): ...\nclass C: ...\nX = 1\nY: int = 2\n_private = 3\nif X:\n    def g(): ...\n    Z = 1\n"
        )
    assert {name: len(files) for name, files in homes(tmp_path).items()} == dict.fromkeys("fCXYgZ", 2)
