"""Language identification, and the warning about texts in a language that a backbone was not trained on."""

import warnings
from dataclasses import replace

import pytest

from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.corpus.phrases import LANGUAGES
from flashsale_env.encoders.text.backbone import load_backbone
from flashsale_env.encoders.text.language import detect, warn_unknown_languages

MESSAGES = {
    "en": [
        "Where is my order?", "price", "ok", "la mer cream price", "does the café chair fit", "iPhone 15 pro max",
        "no", "No.", "me", "die hard", "merci chocolate box", "is the gratis offer still on",
    ],
    "zh": ["我的快递到哪了", "iPhone15怎么卖", "包邮吗?", "退货", "這個多少錢", "OK的，发货吧"],
    "ja": ["注文はどこですか", "返品したい", "送料無料ですか", "カメラ"],
    "ko": ["배송 언제 와요", "환불해 주세요"],
    "ru": ["где мой заказ", "сколько стоит"],
    "uk": ["де моє замовлення, чому його немає"],
    "ar": ["اين طلبي"],
    "th": ["ส่งเมื่อไหร่"],
    "hi": ["मेरा ऑर्डर कहाँ है"],
    "de": [
        "Lieferung?", "Bestellung stornieren", "wo bleibt mein Paket", "Wann kommt die Lieferung?",
        "Ich möchte das Geld zurück",
    ],
    "fr": ["remboursement", "livraison gratuite", "où est mon colis", "je veux un remboursement"],
    "es": ["¿dónde está mi pedido?", "quiero devolver el producto", "cuanto cuesta", "precio", "no me gusta el envío"],
    "pt": ["onde está o meu pedido", "não funciona", "frete para o Rio"],
    "vi": ["đơn hàng của tôi ở đâu"],
    "tr": ["siparişim nerede"],
    "id": ["barang saya belum sampai kak"],
}  # fmt: skip


@pytest.mark.parametrize(("language", "text"), [(code, text) for code, texts in MESSAGES.items() for text in texts])
def test_the_language_of_a_shop_message_is_found_by_script_letters_or_words(language, text):
    assert detect(text) == language


@pytest.mark.parametrize("text", ["", "?", "123", "😀", "XL", "NA", "N/A", "na"])
def test_a_text_without_evidence_is_taken_for_english(text):
    assert detect(text) == "en"


@pytest.mark.parametrize(
    "text",
    [
        "怎么卖 https://shop.example/p/78685",
        "团购这个www.shop.example/p/1?from=app ~",
        "发到 someone.else@mail.example",
        "https://shop.example/p/12850，一套几块",
    ],
)
def test_a_link_or_a_mail_address_is_in_no_language(text):
    assert detect(text) == "zh"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_message_of_the_corpus_is_taken_for_another_language(language):
    """Nobody would read the warning again after a false alarm on the shop's own language."""
    messages = generate("train", 1800, 1, language=language)
    assert not [m.text for m in messages if detect(m.text) != language]


@pytest.fixture(scope="module")
def english():
    return replace(load_backbone("tiny"), name="minilm", languages=("en",))


def test_texts_in_other_languages_are_counted_shown_and_given_a_remedy(english):
    texts = ["where is it", "我的快递到哪了", "price", "能便宜点吗"]
    wanted = (
        r"2 of 4 texts .*'minilm' was not trained on \(zh: 2\), e\.g\. '我的快递到哪了' \(zh\)\. "
        r"Its languages are en; .*backbone='multilingual'"
    )
    with pytest.warns(UserWarning, match=wanted):
        warn_unknown_languages(texts, english)


def test_known_languages_and_undeclared_backbones_give_no_warning(english):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_unknown_languages(["where is it", "ok"], english)
        warn_unknown_languages(["我的快递到哪了"], replace(english, languages=("en", "zh")))
        warn_unknown_languages(["我的快递到哪了"], replace(english, languages=()))
        warn_unknown_languages([], english)
