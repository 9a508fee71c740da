"""`flashsale list`: every name there is, without loading torch."""

import json
import subprocess
import sys

import flashsale_env as fs
from flashsale_env.experiments.studies import STUDIES


def test_list_names_every_scenario_and_agent_and_imports_no_torch():
    """In a process of its own, because this one has torch already."""
    code = (
        "import sys; from flashsale_env.experiments.cli import main; code = main(['list', '--json']);"
        "print('torch' in sys.modules or 'transformers' in sys.modules, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert done.stderr.strip() == "False"
    found = json.loads(done.stdout)
    assert {row["name"] for row in found["scenarios"]} == set(fs.SCENARIOS)
    assert {"random", "fixed_price", "linear_markdown", "sell_through", "ppo"} <= {r["name"] for r in found["agents"]}
    assert "default" in {row["name"] for row in found["encoders"]}
    assert {"learned", "reference", "homogeneous"} <= {row["name"] for row in found["populations"]}
    commands = {row["name"]: row["command"] for row in found["experiments"]}
    assert commands.keys() == {"demo", "quick", *STUDIES}
    assert commands["quick"] == "flashsale demo --config quick"
    assert commands["wider"] == "flashsale study wider"
    assert all(row["description"] for rows in found.values() for row in rows)


def test_the_tables_of_list_show_what_json_shows(flashsale):
    answer = flashsale("list")
    assert answer.code == 0
    for name in [*fs.SCENARIOS, "sell_through", "ppo", "quick", *STUDIES]:
        assert name in answer.out
