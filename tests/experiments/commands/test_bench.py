"""`flashsale bench`: its page."""


def test_bench_writes_its_page_and_never_over_another(flashsale, tmp_path):
    answer = flashsale("bench", "import", "--repeats", 1, "--out", tmp_path / "figures", "--json")
    assert answer.json["rows"][0]["name"] == "import flashsale_env"
    assert "import flashsale_env" in (tmp_path / "figures" / "README.md").read_text()
    assert "is there already" in flashsale("bench", "import", "--out", tmp_path / "figures").complaint
    assert "import flashsale_env" in flashsale("bench", "import", "--repeats", 1).out
