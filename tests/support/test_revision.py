"""Which commits begin the proofs anew."""

from pathlib import Path

import pytest

from tests.support.revision import git, revision, revisions

CODE = '''"""What it does."""

LIMIT = 5
"""Of something."""


def double(number: int) -> int:
    """Twice as much."""
    return 2 * number  # surely
'''
WORDS = CODE.replace("Of something", "Of everything").replace("surely", "always")


class Repository:
    """A repository with one file that is proved, and one that is not."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet")
        self.first = self.commit(**{"core/it.py": CODE, "other.py": CODE})

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
        return git(self.root, *who, *arguments)

    def commit(self, **files: str) -> str:
        """Write these and commit everything; the short name of the commit."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--no-gpg-sign", "--message", "so")
        return self.git("log", "-1", "--format=%h")

    @property
    def revision(self) -> str:
        return revision("core", root=self.root)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_words_and_other_files_are_no_new_revision(repository: Repository) -> None:
    words = repository.commit(**{"core/it.py": WORDS})
    repository.commit(**{"other.py": "LIMIT = 6\n"})
    assert repository.revision == repository.first
    assert revisions("core", root=repository.root) == [repository.first, words]


@pytest.mark.parametrize(
    "files",
    [
        {"core/it.py": CODE.replace("= 5", "= 6")},
        {"core/it.py": WORDS.replace("2 * number", "number * 2")},
        {"core/it.py": CODE.replace('"""Of something."""', 'print("Of something.")')},
        {"core/more.py": '"""Nothing yet."""\n'},
        {"core/data.txt": "5"},
    ],
    ids=["a number", "words and an order", "a text that is used", "a new file", "data"],
)
def test_everything_else_is(repository: Repository, files: dict[str, str]) -> None:
    changed = repository.commit(**files)
    assert repository.revision == changed != repository.first
    repository.commit(**{"core/it.py": (repository.root / "core/it.py").read_text() + "# so\n"})
    assert repository.revision == changed


def test_a_file_that_goes_is_a_new_revision(repository: Repository) -> None:
    repository.commit(**{"core/more.py": ""})
    (repository.root / "core" / "more.py").unlink()
    gone = repository.commit()
    assert repository.revision == gone


def test_a_path_that_was_never_there_is_a_mistake(repository: Repository) -> None:
    with pytest.raises(ValueError, match="no commit touched kore"):
        revision("kore", root=repository.root)


def test_what_is_not_committed_is_said(repository: Repository) -> None:
    (repository.root / "core" / "it.py").write_text(WORDS)
    assert repository.revision == f"{repository.first}+changes"
