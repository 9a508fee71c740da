"""The page in two languages."""

import re

from flashsale_env import DECISIONS, INTENTS
from flashsale_env.experiments.live import words
from flashsale_env.experiments.watch.alerts import ALERTS, STOCK_OUT


def test_every_text_is_there_in_both_languages_with_the_same_blanks():
    english, chinese = words.TEXTS["en"], words.TEXTS["zh"]
    assert english.keys() == chinese.keys()
    for key in english:
        assert set(re.findall(r"{(\w+)", english[key])) == set(re.findall(r"{(\w+)", chinese[key])), key


def test_every_alert_has_a_text():
    keys = {f"{alert}{side}" for alert in ALERTS for side in "+-"} - {f"{STOCK_OUT}-"}
    assert keys <= words.TEXTS["en"].keys()


def test_decisions_have_chinese_names_and_a_new_one_keeps_its_own():
    assert words._DECISIONS_ZH.keys() <= DECISIONS.keys()
    assert re.search(r"[\u4e00-\u9fff]", words.decision("price", "zh"))
    assert all(words.decision(kind, "en") == kind for kind in DECISIONS)
    assert all(words.decision(kind, "zh") for kind in DECISIONS)


def test_every_intent_has_a_chinese_name():
    assert len({words.intent(name, "zh") for name in INTENTS}) == len(INTENTS)
