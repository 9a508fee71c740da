"""The types of the whole project; a test, so that the checker runs beside the others."""

import subprocess
import sys

from tests.docs.pages import ROOT


def test_the_project_is_typed():
    checked = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
