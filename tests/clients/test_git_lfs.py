"""`git lfs` itself: who works on which file."""

import json
import os
from collections.abc import Callable

from customer import Customer
from git_program import Git

from graft.server.people import accounts, organizations
from graft.server.running import RunningHub


def publish(who: Customer) -> str:
    repo = f"{who.name}/locked"
    who.api.create_repo(repo)
    who.api.upload_file(path_or_fileobj=b"w" * 5000, path_in_repo="w.bin", repo_id=repo)
    return repo


def test_files_are_locked_and_unlocked(
    hub: RunningHub, eve: Customer, clone: Callable[..., Git]
) -> None:
    git = clone(eve.address(hub, publish(eve)))
    assert "Locked w.bin" in git("lfs", "lock", "w.bin")
    assert f"is locked by {eve.name}" in git.refused("lfs", "lock", "w.bin")
    listed = json.loads(git("lfs", "locks", "--json"))
    assert [(each["path"], each["owner"]["name"]) for each in listed] == [("w.bin", eve.name)]
    verified = json.loads(git("lfs", "locks", "--verify", "--json"))
    assert [each["path"] for each in verified["ours"]] == ["w.bin"]
    git.commit(w__bin=os.urandom(5000))
    git("push", "--quiet")  # one's own lock is in nobody's way
    assert "Unlocked w.bin" in git("lfs", "unlock", "w.bin")
    assert json.loads(git("lfs", "locks", "--json")) == []


def test_what_another_has_locked_is_seen_and_cannot_be_taken(
    hub: RunningHub, eve: Customer, mallory: Customer, clone: Callable[..., Git]
) -> None:
    repo = publish(eve)
    clone(eve.address(hub, repo))("lfs", "lock", "w.bin")
    theirs = clone(mallory.address(hub, repo))
    listed = json.loads(theirs("lfs", "locks", "--json"))
    assert [each["owner"]["name"] for each in listed] == [eve.name]
    said = theirs.refused("lfs", "unlock", "--force", "--id", listed[0]["id"])
    assert "403" in said or "may not" in said
    assert "may not" in theirs.refused("lfs", "lock", "new.bin")
    assert len(json.loads(theirs("lfs", "locks", "--json"))) == 1


def test_a_push_of_what_another_has_locked_is_stopped_by_git_lfs(
    hub: RunningHub, eve: Customer, mallory: Customer, clone: Callable[..., Git]
) -> None:
    team = f"team-of-{eve.name}"
    founder = accounts.find_account(hub.hub, eve.name)
    organization = organizations.create(hub.hub, team, founder=founder)
    member = accounts.find_account(hub.hub, mallory.name)
    organizations.put_member(hub.hub, organization, member, "write")
    repo = f"{team}/locked"
    eve.api.create_repo(repo)
    eve.api.upload_file(path_or_fileobj=b"w" * 5000, path_in_repo="w.bin", repo_id=repo)
    clone(eve.address(hub, repo))("lfs", "lock", "w.bin")
    theirs = clone(mallory.address(hub, repo))
    theirs.commit(w__bin=os.urandom(5000))
    theirs("config", "lfs.locksverify", "true")
    done = theirs.run("push")
    assert done.returncode != 0
    assert f"w.bin - {eve.name}" in done.stdout + done.stderr
    theirs("config", "lfs.locksverify", "false")
    theirs("push", "--quiet")  # who does not ask is not held up
