"""The study `populations`: which files it builds where."""

import pytest

from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.encoders.world.building import POPULATION_FOLDER
from flashsale_env.experiments.runs import read_config
from flashsale_env.experiments.studies import populations
from flashsale_env.files import write_atomically

INTERVAL = {"mean": 0.8, "low": 0.7, "high": 0.9}
FIGURES = {
    "heldout_visits": 1000,
    "no_text_nll": 2.0,
    "heldout_nll": 1.9,
    "true_intent_nll": 1.8,
    "gap_no_text_minus_encoder": INTERVAL,
    "share_of_gap_closed": INTERVAL,
    "elasticity": {"gift": {"true": -1.0, "recovered": -1.1}},
}


@pytest.fixture
def built(monkeypatch):
    """Stands in for nine minutes of estimation; remembers the folders of encoder and populations."""
    calls = []

    def build(encoder_folder, out, **settings):
        calls.append((encoder_folder, out, settings["seed"]))
        if encoder_folder is not None:
            write_atomically(encoder_folder / "demand.json", b"{}")
        return FIGURES

    monkeypatch.setattr(populations, "build_populations", build)
    return calls


def test_a_folder_of_ones_own_holds_the_encoder_with_its_demand_model(flashsale, built, tiny_encoder, tmp_path):
    """The encoder that was given is copied: its own folder stays as it is."""
    out = tmp_path / "out"
    before = sorted(path.name for path in tiny_encoder.iterdir())
    answer = flashsale("study", "populations", "--encoder", tiny_encoder, "--out", out, "--seed", 5)
    assert answer.code == 0, answer.err
    assert built == [(out / "encoder", out, 5)]
    assert (out / "encoder" / "demand.json").exists()
    IntentEncoder.load(out / "encoder")
    assert sorted(path.name for path in tiny_encoder.iterdir()) == before
    assert read_config(out)["options"] == {"encoder": str(tiny_encoder)}
    assert "80.0% (70.0% .. 90.0%)" in answer.out
    assert "-1.10" in answer.out


def test_what_is_shipped_is_replaced_in_place_when_asked_for(flashsale, built):
    before = sorted(path.name for path in POPULATION_FOLDER.iterdir())
    answer = flashsale("study", "populations", "--overwrite", "--json")
    assert answer.json["figures"] == FIGURES
    assert built == [(None, POPULATION_FOLDER, 0)]
    assert sorted(path.name for path in POPULATION_FOLDER.iterdir()) == before, "no config, no manifest, no lock"


def test_a_folder_without_an_encoder_is_refused(flashsale, built, tmp_path):
    words = ("study", "populations", "--encoder", tmp_path, "--out", tmp_path.parent / "out")
    assert "holds no intent encoder" in flashsale(*words).complaint
    assert built == []
