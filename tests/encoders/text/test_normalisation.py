"""Text before the tokenizer: the same letters in another dress are read alike, and emoji as what they say."""

import pytest

from flashsale_env.encoders.text.backbone import load_backbone
from flashsale_env.encoders.text.normalisation import normalised


def unknown(sign):
    return False


@pytest.mark.parametrize(
    "text",
    [
        "Ｗｈｅｒｅ ｉｓ ｍｙ ｏｒｄｅｒ",
        "𝗪𝗵𝗲𝗿𝗲 𝗶𝘀 𝗺𝘆 𝗼𝗿𝗱𝗲𝗿",
        "𝓦𝓱𝓮𝓻𝓮 𝓲𝓼 𝓶𝔂 𝓸𝓻𝓭𝓮𝓻",
    ],
)
def test_letters_of_another_width_or_font_are_plain_letters(text):
    assert normalised(text, unknown) == "Where is my order"


def test_an_emoji_is_its_name_unless_the_tokenizer_knows_it():
    assert normalised("for my mum 🎁", unknown) == "for my mum wrapped present"
    assert normalised("for my mum 🎁", lambda sign: True) == "for my mum 🎁"
    assert normalised("yes 👍🏽❤️", unknown) == "yes thumbs up heavy black heart"


def test_chinese_and_accents_stay():
    assert normalised("多少钱", unknown) == "多少钱"
    assert normalised("café crème", unknown) == "café crème"


def test_minilm_reads_all_dresses_of_a_text_alike_and_no_unknown_token():
    minilm = load_backbone("minilm")
    plain, dressed, emoji = minilm.tokenize(["where is my order", "ｗｈｅｒｅ is 𝗺𝘆 order", "broken 😡"])
    assert plain == dressed
    assert minilm.tokenizer.unk_token_id not in emoji


def test_a_backbone_knows_the_signs_of_its_vocabulary(tiny):
    assert tiny.knows("price")
    assert not tiny.knows("🎁")
    assert tiny.normalised("price 🎁") == "price wrapped present"
