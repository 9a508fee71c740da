"""The command line as a person meets it: words in; exit code, standard output and standard error out."""

import contextlib
import io
import json
from dataclasses import asdict, dataclass

import pytest
from filelock import FileLock

from flashsale_env.experiments.cli import main


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The last line on standard error, and the check that a mistake costs one line and no traceback."""
        assert self.code == 2, self.err
        assert self.out == ""
        assert "Traceback" not in self.err
        return self.err.strip().splitlines()[-1]


def ask(*words) -> Answer:
    """Run `flashsale WORDS` in this process, through the function that the console script calls."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return Answer(code, out.getvalue(), err.getvalue())


@pytest.fixture
def flashsale():
    return ask


@pytest.fixture(scope="session")
def quick_demo(tmp_path_factory, worker_id):
    """A folder with the results of the quick demo, and what the command printed; all workers share one."""
    home = tmp_path_factory.getbasetemp()
    home = home if worker_id == "master" else home.parent
    folder, printed = home / "demo" / "out", home / "demo.json"
    with FileLock(home / "demo.lock"):
        if not printed.exists():
            answer = ask("demo", "--config", "quick", "--out", folder)
            assert answer.code == 0, answer.err
            printed.write_text(json.dumps(asdict(answer)))
    return folder, Answer(**json.loads(printed.read_text()))


@pytest.fixture(scope="session")
def quick_benchmark(tmp_path_factory):
    """A folder with the results and the page of the quick benchmark, and what the command printed."""
    folder = tmp_path_factory.mktemp("benchmark") / "out"
    answer = ask("benchmark", "quick", "--out", folder, "--json")
    assert answer.code == 0, answer.err
    assert ask("report", folder).code == 0
    return folder, answer


@pytest.fixture(scope="session")
def small_policy(tmp_path_factory):
    """A policy trained for a moment on the smallest scenario."""
    folder = tmp_path_factory.mktemp("train") / "out"
    answer = ask("train", "gvr-periodic", "--sales", 256, "--out", folder)
    assert answer.code == 0, answer.err
    return folder


@pytest.fixture
def messages(file):
    """Write a CSV file of messages and return its path."""
    return lambda content, name="messages.csv": file(content, name)
