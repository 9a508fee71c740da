"""Made-up personal details, planted in messages of the corpus: what masking is measured on.

Owns    how details of each kind are made up, and the sentences they stand in.
Leaves  the messages to `corpus`.

Numbers are valid, of nobody in particular, and written as `phonenumbers` writes them in their country or as people
type them. None of the sentences was looked at for the patterns of `masking`, but both are ours: messages of real
customers have forms that neither knows.
"""

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import phonenumbers
from stdnum import luhn
from stdnum.cn import ric

from flashsale_env.encoders.corpus.generator import generate

__all__ = ["Planted", "plain", "planted"]

Draw = np.random.Generator

_FORMATS = (
    phonenumbers.PhoneNumberFormat.E164,
    phonenumbers.PhoneNumberFormat.INTERNATIONAL,
    phonenumbers.PhoneNumberFormat.NATIONAL,
)
_FIRST = ("anna", "john.smith", "wei_zhang", "m.garcia", "k-ito", "priya.n", "lena", "tom99")
_HOSTS = ("example.com", "mail.example.co.uk", "posteo.example", "shop-mail.example.cn", "uni.example.edu")
_STREETS = ("Baker Street", "Mill Lane", "High Road", "Lincoln Ave", "Ocean Boulevard", "Church St", "Park Drive")
_TOWNS = ("Springfield, IL 62704", "London SW1A 1AA", "Leeds LS1 4AP", "Austin, TX 78701")
_CITIES = ("北京市朝阳区", "上海市浦东新区", "广东省深圳市南山区", "杭州市西湖区", "成都市武侯区")
_ROADS = ("建国路", "世纪大道", "科技南路", "文三路", "人民南路", "解放街")
_ESTATES = ("阳光花园", "幸福小区", "锦绣家园")
_REGIONS_OF_BIRTH = ("110105", "310115", "440305", "330106", "510107")

# Numbers that are nobody's: a masked one among them is a false alarm.
_HARMLESS: Mapping[str, Sequence[str]] = {
    "en": (
        "is the {a} inch 4k version in stock", "do you have size {a} or {b}", "{b} x {c} ml please",
        "it was {c}.99 yesterday and now {c}.00", "the sale starts on 2024-11-{b} at 20:00",
        "i waited {b} days on the road for nothing", "is the XR-{c} better than the WH-{c}XM4",
        "i want {c} pieces, maybe 1,{c}", "what about the {c}GB phone for {c} dollars", "{b}% off from {c} on?",
        "order 2 get 1 free?", "my order is {b} days late", "does it have {c}0 mAh",
    ),
    "zh": (
        "{a}寸的还有货吗", "{a}码和{b}码都有吗", "满{c}减{a}怎么算", "{c}GB版本多少钱", "{b}号晚上8点开抢吗",
        "等了{b}天还没到", "买{b}件送1件吗", "{c}0mAh够用吗", "11月{b}日能发货吗", "比昨天贵了{c}元",
        "第{b}件半价吗", "这款{c}ml的是正品吗",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """A message with one personal detail, and the detail's kind and wording."""

    text: str
    kind: str
    detail: str
    language: str


def _digits(rng: Draw, count: int) -> str:
    return "".join(map(str, rng.integers(0, 10, count)))


def _pick(rng: Draw, values: Sequence[str]) -> str:
    return values[int(rng.integers(len(values)))]


def _phone(rng: Draw, language: str) -> str:
    """A valid number of a mobile or a landline."""
    region = "CN" if language == "zh" else _pick(rng, ("US", "GB", "DE", "FR", "IN", "AU"))
    kind = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)[int(rng.integers(2))]
    example = phonenumbers.example_number_for_type(region, kind)
    assert example is not None
    head = str(example.national_number)
    while True:
        number = phonenumbers.PhoneNumber(
            country_code=example.country_code, national_number=int(head[:-4] + _digits(rng, 4))
        )
        if phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(number, _FORMATS[int(rng.integers(3))])


def _email(rng: Draw, language: str) -> str:
    return f"{_pick(rng, _FIRST)}@{_pick(rng, _HOSTS)}"


def _card(rng: Draw, language: str) -> str:
    start = _pick(rng, ("4", "51", "62"))
    number = start + _digits(rng, 15 - len(start))
    number += luhn.calc_check_digit(number)
    between = _pick(rng, ("", " ", "-"))
    return between.join(number[i : i + 4] for i in range(0, 16, 4))


def _identity(rng: Draw, language: str) -> str:
    born = f"{rng.integers(1950, 2006)}{rng.integers(1, 13):02d}{rng.integers(1, 29):02d}"
    number = _pick(rng, _REGIONS_OF_BIRTH) + born + _digits(rng, 3)
    return str(number + ric.calc_check_digit(f"{number}0"))  # the place of the digit counts


def _order(rng: Draw, language: str) -> str:
    letters = "".join(_pick(rng, string.ascii_uppercase) for _ in range(2))
    return _pick(
        rng, (_digits(rng, 8), f"{letters}-{_digits(rng, 6)}", f"{letters}{_digits(rng, 10)}", _digits(rng, 14))
    )


def _address(rng: Draw, language: str) -> str:
    number = int(rng.integers(1, 400))
    if language == "zh":
        if rng.random() < 0.3:
            return f"{_pick(rng, _CITIES)}{_pick(rng, _ESTATES)}{number % 30 + 1}栋{rng.integers(1, 4)}单元{number}室"
        return f"{_pick(rng, _CITIES)}{_pick(rng, _ROADS)}{number}号{rng.integers(1, 9)}号楼{number}室"
    street = f"{number} {_pick(rng, _STREETS)}"
    return _pick(rng, (street, f"{street}, {_pick(rng, _TOWNS)}", f"Flat {number % 9 + 1}, {street}"))


# Kind -> (how a detail is made up, the sentences it stands in by language).
_KINDS: Mapping[str, tuple[Callable[[Draw, str], str], Mapping[str, Sequence[str]]]] = {
    "phone": (_phone, {"en": ("my number is {}", "call {}", "{}"), "zh": ("我的手机{}", "电话{}", "打{}找我")}),
    "e-mail": (_email, {"en": ("write to {}", "{}"), "zh": ("邮箱{}", "发到{}")}),
    "card number": (_card, {"en": ("i paid with {}", "card {}"), "zh": ("卡号{}", "付款卡{}")}),
    "identity number": (_identity, {"zh": ("身份证{}", "身份证号是{}")}),
    "order number": (
        _order,
        {
            "en": ("order {}", "order number is {}", "order #{}", "tracking no. {}"),
            "zh": ("订单号{}", "单号：{}", "运单号是{}"),
        },
    ),
    "address": (_address, {"en": ("send it to {}", "i live at {}"), "zh": ("寄到{}", "地址是{}", "我住在{}")}),
}  # fmt: skip


def planted(language: str, count: int, seed: int = 0) -> list[Planted]:
    """Messages of the corpus, each with one detail; the kinds of a language in turn.

    Args:
        language: "en" or "zh".
        count: of messages.
        seed: of messages and details.
    """
    rng = np.random.default_rng([seed, 1])
    kinds = [kind for kind, (_, sentences) in _KINDS.items() if language in sentences]
    found = []
    for i, message in enumerate(generate("evaluation", count, seed, language=language)):
        kind = kinds[i % len(kinds)]
        make, sentences = _KINDS[kind]
        detail = make(rng, language)
        said = _pick(rng, sentences[language]).format(detail)
        between = "，" if language == "zh" else ", "
        parts = [message.text.rstrip("。."), said]
        found.append(Planted(between.join(parts if rng.random() < 0.7 else parts[::-1]), kind, detail, language))
    return found


def plain(language: str, count: int, seed: int = 0) -> list[str]:
    """Messages without a personal detail, half of them with numbers that are nobody's.

    The others are messages of the corpus without a digit: some of its complaints name an order.
    """
    rng = np.random.default_rng([seed, 2])
    harmless = [
        _pick(rng, _HARMLESS[language]).format(a=rng.integers(24, 86), b=rng.integers(2, 31), c=rng.integers(64, 1000))
        for _ in range(count // 2)
    ]
    texts = (message.text for message in generate("evaluation", 2 * count, seed, language=language))
    return harmless + [text for text in texts if not any(map(str.isdigit, text))][: count - count // 2]
