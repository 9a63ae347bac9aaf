"""The documentation says what the program says, and its numbers are those of its commands."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


def generator() -> ModuleType:
    """.ci/generate_docs.py, which is a script and no package."""
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / ".ci" / "generate_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


GENERATOR = generator()
PAGES = {page: page.read_text(encoding="utf-8") for page in GENERATOR.PAGES}


def stale(names: set[str]) -> list[str]:
    parts = {name: GENERATOR.PARTS[name]() for name in names}
    return [str(page.relative_to(ROOT)) for page, text in PAGES.items() if GENERATOR.filled(text, parts) != text]


def test_the_reference_is_what_the_program_says() -> None:
    assert stale(set(GENERATOR.PARTS) - set(GENERATOR.SLOW)) == [], "python .ci/generate_docs.py"


@pytest.mark.slow
@pytest.mark.parametrize("part", sorted(GENERATOR.SLOW))
def test_results_are_those_of_their_commands(part: str) -> None:
    assert stale({part}) == [], f"python .ci/generate_docs.py {part}"


def test_every_part_stands_somewhere() -> None:
    assert {name for text in PAGES.values() for name in GENERATOR.parts_of(text)} == set(GENERATOR.PARTS)


def test_a_stale_part_is_found() -> None:
    page = "# Page\n\n<!-- begin: keys -->\n\nold\n\n<!-- end -->\n\nMore.\n"
    assert GENERATOR.filled(page, {"keys": "new"}) == page.replace("old", "new")
    assert GENERATOR.filled(page, {"events": "new"}) == page


def test_links_to_pages_lead_somewhere() -> None:
    broken = [
        (page.name, target)
        for page, text in PAGES.items()
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[\w-]+)?\)", text)
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_page_is_in_the_navigation() -> None:
    listed = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    docs = ROOT / "docs"
    assert [page.name for page in PAGES if page.parent != ROOT and str(page.relative_to(docs)) not in listed] == []
