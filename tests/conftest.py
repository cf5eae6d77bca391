"""Rules of the whole suite."""

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test first: else one worker would be busy with it when the others are done."""
    items.sort(key=lambda item: item.path.name != "test_soak.py")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure: nobody reads that a requirement was not tested."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") != "true" or reporter is None:
        return
    skipped = reporter.stats.get("skipped", [])
    if skipped and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"CI: {len(skipped)} skipped, which counts as failed", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
