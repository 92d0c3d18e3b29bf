"""Checking a Hub: that all is there which anything leads to, and that nothing contradicts itself.

It may serve meanwhile: what looks wrong is looked at again while nobody changes it.
"""

from graft.server.hub import Hub
from graft.server.upkeep.check_content import check_content
from graft.server.upkeep.check_git import check_repositories
from graft.server.upkeep.findings import Notify, Problem, Report

__all__ = ["Problem", "Report", "check"]


def check(
    hub: Hub, *, deep: bool = False, repair: bool = False, notify: Notify = lambda _: None
) -> Report:
    """Checks every repository, every large file and every xorb.

    Args:
        deep: read every byte, and take every hash anew.
        repair: put right what can be: read repositories into the index again, make a `main` that
            is gone again where git still has what it named, give repositories the files
            that they name and their owners may read, forget what is damaged and used by nobody.
        notify: called with a sentence at each step.
    """
    report = Report()
    notify("Checking git repositories ...")
    check_repositories(hub, report, deep=deep, repair=repair)
    notify("Checking large files ...")
    check_content(hub, report, deep=deep, repair=repair)
    return report
