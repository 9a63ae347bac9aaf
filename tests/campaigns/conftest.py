"""Long campaigns run by name only; of every campaign it is said what it found."""

from collections.abc import Iterator
from typing import Any

import pytest

pytest.register_assert_rewrite("campaign")

from campaign import Tally  # noqa: E402


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "campaign" in config.getoption("markexpr"):
        return
    long = [item for item in items if item.get_closest_marker("campaign")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


@pytest.fixture
def tally(record_property: Any) -> Iterator[Tally]:
    """What came of the inputs of one campaign."""
    found = Tally()
    yield found
    record_property("campaign", found.lines())


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """How many inputs each campaign had and how many different outcomes; each outcome, where it was asked for."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    known = [(report.nodeid, dict(getattr(report, "user_properties", ()))) for report in reports]
    found = {name: properties["campaign"] for name, properties in known if properties.get("campaign")}
    if not found:
        return
    terminalreporter.section("campaigns")
    for name, lines in sorted(found.items()):
        inputs = sum(int(line.split("×")[0].replace(",", "")) for line in lines)
        terminalreporter.write_line(f"{name.rpartition('::')[2]}: {inputs:,} inputs, {len(lines)} different outcomes")
        for line in lines if "campaign" in config.getoption("markexpr") else ():
            terminalreporter.write_line(line)
