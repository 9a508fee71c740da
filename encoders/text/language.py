"""Language identification, and the warning about texts in a language that a backbone was not trained on.

Owns    the map text -> ISO 639-1 code, and the warning.
Leaves  the languages of each backbone to `backbone`.

The script decides first: a text of Chinese characters is Chinese, unless it contains kana or Hangul. Among languages of
the Latin script, function words (articles, pronouns, prepositions) and letters that English does not use decide. Shop
messages are often a product name or two words. Without evidence the answer is `DEFAULT_LATIN`, so that short texts
cause no false alarm.

A trained detector of 97 languages (py3langid 0.4) assigned 5 % of the English corpus to Pidgin, Latin, French ..., and
6 % of the Chinese one to other languages, which would warn in every shop. These rules misclassify no message of either
corpus. In exchange they miss foreign fragments of one or two words, unless one is typical of shops, such as
"Lieferung" or "envío".
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Sequence

from flashsale_env.encoders.text.backbone import BACKBONES, Backbone

__all__ = ["DEFAULT_LATIN", "detect", "warn_unknown_languages"]

# The answer for a Latin text without evidence of another language: the language of the default encoder.
DEFAULT_LATIN = "en"

# First word of the letters' Unicode names -> the language that dominates this script.
_SCRIPTS = {
    "CJK": "zh", "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CYRILLIC": "ru", "ARABIC": "ar", "HEBREW": "he",
    "GREEK": "el", "THAI": "th", "DEVANAGARI": "hi", "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te", "GUJARATI": "gu",
    "GURMUKHI": "pa", "KANNADA": "kn", "MALAYALAM": "ml", "GEORGIAN": "ka", "ARMENIAN": "hy", "KHMER": "km",
    "LAO": "lo", "MYANMAR": "my", "SINHALA": "si", "ETHIOPIC": "am",
}  # fmt: skip

# Letters of languages that share a script with a larger one.
_LETTERS = {
    "uk": "їєґ", "fa": "پچژگ", "de": "ß", "es": "ñ¿¡", "pt": "ãõ", "pl": "łąęśźż", "cs": "řěů", "tr": "ğış",
    "vi": "ơưđăạảấầẩậắằẵặẹẻẽếềểễệịỉĩọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ", "hu": "őű", "ro": "țșşţ",
}  # fmt: skip

# The most frequent words of each language, except those that the other languages here or a shop's English have too.
_FREQUENT_WORDS = {
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
# Words typical of messages to shops that occur in no English message and no brand name: one of them is enough.
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
# Frequent words above that also occur in English: a text of these alone is no evidence.
_ALSO_ENGLISH = frozenset(
    ("no", "o", "e", "y", "i", "me", "con", "per", "die", "van", "do", "is", "on", "met", "ma", "para")
)
_WORD = re.compile(r"[^\W\d_]+")
# Links and mail addresses are in no language; "https" alone has more letters than a short Chinese question.
_ADDRESS = re.compile(r"(?:https?://|www\.)[!-~]+|[\w.+-]+@[\w-]+\.[a-z.]+", re.ASCII)
# Chinese sentences contain Latin brand names, and Japanese ones Chinese characters, so a share of the letters suffices.
_SCRIPT_SHARE = 0.3


def detect(text: str) -> str:
    """ISO 639-1 code of the language of a text.

    From scripts, letters and frequent words, see the module. A language that is not in the tables is assigned to a
    similar one that is. A text without letters, or of Latin letters without evidence, is `DEFAULT_LATIN`.

    >>> [detect(text) for text in ("where is my order", "我的快递到哪了", "wo ist meine Bestellung", "iPhone 15", "?")]
    ['en', 'zh', 'de', 'en', 'en']
    """
    text = _ADDRESS.sub(" ", unicodedata.normalize("NFKC", text).lower())
    scripts = Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha())
    letters = scripts.total()
    # Kana and Hangul never occur in Chinese; Chinese characters occur in Japanese and Korean.
    for script in ("HIRAGANA", "KATAKANA", "HANGUL"):
        if scripts[script] and scripts[script] + scripts["CJK"] >= _SCRIPT_SHARE * letters:
            return _SCRIPTS[script]
    script, count = max(
        ((s, n) for s, n in scripts.items() if s in _SCRIPTS), key=lambda found: found[1], default=("", 0)
    )
    if count and count >= _SCRIPT_SHARE * letters:
        minority = _by_letters(text, ("uk",) if script == "CYRILLIC" else ("fa",) if script == "ARABIC" else ())
        return minority or _SCRIPTS[script]
    words = _WORD.findall(text)
    score = {code: sum(word in known for word in words) for code, known in _KNOWN_WORDS.items()}
    for code, known in _KNOWN_SHOP_WORDS.items():
        score[code] += 2 * sum(word in known for word in words)
    best = max(score, key=lambda code: (score[code], code == DEFAULT_LATIN))
    by_letters = _by_letters(text, [code for code in _LETTERS if code not in ("uk", "fa")])
    if by_letters and score.get(by_letters, 0) >= score[best] - 1:
        return by_letters
    # A single word may be a name ("la mer") or an abbreviation ("NA"), so two must agree; a shop word counts twice.
    if score[best] >= 2 and score[best] > score[DEFAULT_LATIN] and not _ALSO_ENGLISH.issuperset(words):
        return best
    return DEFAULT_LATIN


_KNOWN_WORDS = {code: frozenset(words.split()) for code, words in _FREQUENT_WORDS.items()}
_KNOWN_SHOP_WORDS = {code: frozenset(words.split()) for code, words in _SHOP_WORDS.items()}


def _by_letters(text: str, codes: Sequence[str]) -> str | None:
    """The language with the most of its own letters in the text; None if there is none."""
    count = {code: sum(text.count(letter) for letter in _LETTERS[code]) for code in codes}
    best = max(count, key=lambda code: count[code], default=None)
    return best if best is not None and count[best] else None


def warn_unknown_languages(texts: Sequence[str], backbone: Backbone) -> None:
    """Warn about texts in a language that the backbone was not trained on.

    A backbone without declared languages (a user's own folder, a hub id) gives no warning.

    Warns:
        UserWarning: number of such texts, an example, the backbone's languages, and the remedy.
    """
    if not backbone.languages:
        return
    foreign = [(text, code) for text in texts if (code := detect(text)) not in backbone.languages]
    if not foreign:
        return
    counts = Counter(code for _, code in foreign)
    text, code = foreign[0]
    fitting = [name for name, entry in BACKBONES.items() if counts.keys() <= set(entry.languages)]
    covered = "them" if len(counts) > 1 else "it"
    remedy = f"Use backbone={fitting[0]!r}, which covers {covered}." if fitting else "Drop them."
    known = ", ".join(backbone.languages[:10]) + (" ..." if len(backbone.languages) > 10 else "")
    warnings.warn(
        f"{len(foreign)} of {len(texts)} texts are in a language that backbone {backbone.name!r} was not trained on "
        f"({', '.join(f'{c}: {n}' for c, n in counts.most_common(5))}), e.g. {text[:40]!r} ({code}). Its languages are "
        f"{known}; the output for other texts is meaningless. {remedy}",
        UserWarning,
        stacklevel=3,
    )
