"""Which language a text is in, and whether a backbone knows it.

Owns    the map text -> ISO 639-1 code, and the warning about texts in a language that a backbone was not trained on.
Leaves  which languages a backbone knows to `backbone`.

Scripts decide where they can: a text of Chinese characters is Chinese, unless there are kana or Hangul in it. Among the
languages of the Latin script, words that carry no subject (articles, pronouns, prepositions) decide, and letters that
English does not use. Shop messages are often a product name or two words; where nothing tells, the answer is
`DEFAULT_LATIN`, so that a short text never warns without a reason. (A trained detector of 97 languages, py3langid
0.4, took 5 % of the English corpus for Pidgin, Latin, French ..., and 6 % of the Chinese one for other codes: a warning
on every shop. These rules took none of either, and in exchange pass over foreign fragments of one or two words, unless
one of them is a word that every shop hears, such as "Lieferung" or "envío".)
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Sequence

from flashsale_env.encoders.text.backbone import BACKBONES, Backbone

__all__ = ["DEFAULT_LATIN", "detect", "warn_unknown_languages"]

# What a Latin text without a sign of another language is taken for: the language of the default encoder.
DEFAULT_LATIN = "en"

# Code of a script that one language dominates, by the first word of its letters' Unicode names.
_SCRIPTS = {
    "CJK": "zh", "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CYRILLIC": "ru", "ARABIC": "ar", "HEBREW": "he",
    "GREEK": "el", "THAI": "th", "DEVANAGARI": "hi", "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te", "GUJARATI": "gu",
    "GURMUKHI": "pa", "KANNADA": "kn", "MALAYALAM": "ml", "GEORGIAN": "ka", "ARMENIAN": "hy", "KHMER": "km",
    "LAO": "lo", "MYANMAR": "my", "SINHALA": "si", "ETHIOPIC": "am",
}  # fmt: skip

# Letters of languages that share a script with a larger one.
_TELLING_LETTERS = {
    "uk": "їєґ", "fa": "پچژگ", "de": "ß", "es": "ñ¿¡", "pt": "ãõ", "pl": "łąęśźż", "cs": "řěů", "tr": "ğış",
    "vi": "ơưđăạảấầẩậắằẵặẹẻẽếềểễệịỉĩọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ", "hu": "őű", "ro": "țșşţ",
}  # fmt: skip

# The most frequent words of each language that are no word of the others here, and none of a shop's English.
_TELLING_WORDS = {
    "en": "the and is are you your my it this that what how when where do does can i in of for to with have not please",
    "de": "der das und ist nicht ich wie wann wo mein meine mit auf eine einen kann haben bitte für wir kommt kostet",
    "fr": "le la les est et je vous mon ma un une pas pour que quand où avec sur dans du ce cette comment veux combien",
    "es": "el la los es y mi un una no por que cuándo cuando dónde con para del este esta cómo quiero cuanto cuesta",
    "pt": "o os é e eu meu minha uma não por que quando onde com para do da este esta olá como quero você está",
    "it": "il lo gli è e io mio mia una non per che quando dove con del della questo questa ciao come sono vorrei",
    "nl": "de het een en ik mijn niet voor dat wanneer waar met op van dit deze hoe is kan hebben wij zijn",
    "id": "yang dan ini itu saya tidak untuk kapan dengan dari ada apa bisa kak berapa barang sudah belum ya dikirim",
    "vi": "tôi của là không cho khi và có này được",
    "tr": "ve bu bir ne için var mı mi ben benim değil nerede zaman ile kaç",
    "pl": "i jest nie to na się że kiedy gdzie mój moja czy jak dla proszę",
    "sv": "och är jag inte det en att när var min mitt på med hur för",
}
# What customers ask shops for, in words that no English message and no brand has: one of them is enough.
_SHOP_WORDS = {
    "de": "bestellung lieferung versand rücksendung kostenlos rabatt gutschein preis danke stornieren größe paket",
    "fr": "commande livraison colis remboursement bonjour combien gratuite rembourser taille échange",
    "es": "pedido envío envio precio descuento devolver devolución devolucion reembolso gracias hola talla",
    "pt": "preço preco frete entrega desconto reembolso obrigado obrigada devolução trocar tamanho",
    "it": "ordine spedizione prezzo sconto rimborso grazie consegna taglia buongiorno",
    "nl": "bestelling levering verzending korting terugbetaling bedankt prijs pakket retourneren",
    "id": "pesanan harga pengiriman diskon ongkir terima pembayaran barangnya",
    "tr": "sipariş siparis kargo fiyat iade indirim teşekkürler",
    "pl": "zamówienie dostawa zwrot rabat paczka dziękuję",
    "sv": "beställning leverans frakt rabatt paket storlek",
}
# Of the frequent words above those that English has too: a text of nothing else tells nothing.
_ALSO_ENGLISH = frozenset(
    ("no", "o", "e", "y", "i", "me", "con", "per", "die", "van", "do", "is", "on", "met", "ma", "para")
)
_WORD = re.compile(r"[^\W\d_]+")
# Chinese sentences hold Latin brand names, and Japanese ones Chinese characters: a share of the letters is enough.
_SCRIPT_SHARE = 0.3


def detect(text: str) -> str:
    """ISO 639-1 code of the language of a text.

    Reads scripts, telling letters and frequent words, see the module. Languages beyond those tables are answered with
    the nearest that is there. A text without letters, or of Latin letters that tell nothing, is `DEFAULT_LATIN`.

    >>> [detect(text) for text in ("where is my order", "我的快递到哪了", "wo ist meine Bestellung", "iPhone 15", "?")]
    ['en', 'zh', 'de', 'en', 'en']
    """
    text = unicodedata.normalize("NFKC", text).lower()
    scripts = Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha())
    letters = scripts.total()
    # Kana and Hangul never stand in a Chinese text, Chinese characters stand in both of the others.
    for script in ("HIRAGANA", "KATAKANA", "HANGUL"):
        if scripts[script] and scripts[script] + scripts["CJK"] >= _SCRIPT_SHARE * letters:
            return _SCRIPTS[script]
    script, count = max(
        ((s, n) for s, n in scripts.items() if s in _SCRIPTS), key=lambda found: found[1], default=("", 0)
    )
    if count and count >= _SCRIPT_SHARE * letters:
        told = _told_by_letters(text, ("uk",) if script == "CYRILLIC" else ("fa",) if script == "ARABIC" else ())
        return told or _SCRIPTS[script]
    words = _WORD.findall(text)
    score = {code: sum(word in known for word in words) for code, known in _KNOWN_WORDS.items()}
    for code, known in _HEARD_IN_SHOPS.items():
        score[code] += 2 * sum(word in known for word in words)
    best = max(score, key=lambda code: (score[code], code == DEFAULT_LATIN))
    told = _told_by_letters(text, [code for code in _TELLING_LETTERS if code not in ("uk", "fa")])
    if told and score.get(told, 0) >= score[best] - 1:
        return told
    # One such word alone may be a name ("la mer") or an abbreviation ("NA"): two must agree; shop words count twice.
    if score[best] >= 2 and score[best] > score[DEFAULT_LATIN] and not _ALSO_ENGLISH.issuperset(words):
        return best
    return DEFAULT_LATIN


_KNOWN_WORDS = {code: frozenset(words.split()) for code, words in _TELLING_WORDS.items()}
_HEARD_IN_SHOPS = {code: frozenset(words.split()) for code, words in _SHOP_WORDS.items()}


def _told_by_letters(text: str, codes: Sequence[str]) -> str | None:
    """The language of the most letters that only it uses."""
    count = {code: sum(text.count(letter) for letter in _TELLING_LETTERS[code]) for code in codes}
    best = max(count, key=lambda code: count[code], default=None)
    return best if best is not None and count[best] else None


def warn_unknown_languages(texts: Sequence[str], backbone: Backbone) -> None:
    """Warn of texts in languages that the backbone does not know.

    A backbone that declares no languages (a user's own folder, a hub id) is not judged.

    Warns:
        UserWarning: how many texts, an example, the languages the backbone knows, and the remedy.
    """
    if not backbone.languages:
        return
    foreign = [(text, code) for text in texts if (code := detect(text)) not in backbone.languages]
    if not foreign:
        return
    counts = Counter(code for _, code in foreign)
    text, code = foreign[0]
    able = [name for name, entry in BACKBONES.items() if counts.keys() <= set(entry.languages)]
    remedy = f"Use backbone={able[0]!r}, which knows {'them' if len(counts) > 1 else 'it'}." if able else "Drop them."
    known = ", ".join(backbone.languages[:10]) + (" ..." if len(backbone.languages) > 10 else "")
    warnings.warn(
        f"{len(foreign)} of {len(texts)} texts are in a language that backbone {backbone.name!r} does not know "
        f"({', '.join(f'{c}: {n}' for c, n in counts.most_common(5))}), e.g. {text[:40]!r} ({code}). It knows {known}; "
        f"what it says of other texts means nothing. {remedy}",
        UserWarning,
        stacklevel=3,
    )
