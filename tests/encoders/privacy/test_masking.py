"""Personal details are masked in both languages, and nothing else is."""

import pytest

from flashsale_env.encoders.privacy.details import plain, planted
from flashsale_env.encoders.privacy.masking import KINDS, mask

FOUND = [
    ("ring me on (415) 555-2671 or +44 20 7946 0958", "ring me on [phone] or [phone]"),
    ("我的手机是13912345678请联系", "我的手机是[phone]请联系"),
    ("１３９１２３４５６７８", "[phone]"),
    ("mail jo.doe+x@shop.co.uk, thanks", "mail [e-mail], thanks"),
    ("card 4111 1111 1111 1111 was charged twice", "card [card number] was charged twice"),
    ("amex 3782-822463-10005", "amex [card number]"),
    ("身份证11010519491231002X", "身份证[identity number]"),
    ("order no. 12345678 where is it", "order no. [order number] where is it"),
    ("my order is #A1029", "my order is [order number]"),
    ("订单号：2024111199887 还没发货", "订单号：[order number] 还没发货"),
    ("send to 12 baker street please", "send to [address] please"),
    ("I moved to 4 Park Drive", "I moved to [address]"),
    ("P.O. Box 123", "[address]"),
    ("请寄到北京市朝阳区建国路88号3号楼501室", "请寄到[address]"),
    ("我住在阳光花园3栋2单元501室，晚上在家", "我住在[address]，晚上在家"),
    ("it says 123 456 789 on the box", "it says [number] on the box"),
]
KEPT = [
    "5 days way too long",
    "2 days on the road",
    "满200减30，20000mAh，128GB的",
    "iPhone 15 Pro Max 256 for 1,199.00, or 3840x2160",
    "the sale starts 2024-11-11 20:00, order 100 pieces",
    "4111 1111 1111 1112",  # no card: the check digit is wrong; a long number all the same
]


@pytest.mark.parametrize(("text", "masked"), FOUND)
def test_a_personal_detail_is_replaced_by_its_kind(text, masked):
    assert mask(text).text == masked
    assert mask(masked).text == masked, "nothing is left to mask"


@pytest.mark.parametrize("text", KEPT[:-1])
def test_numbers_that_are_nobodys_stay(text):
    assert mask(text).text == text


def test_a_number_with_a_wrong_check_digit_is_no_card_and_no_identity():
    assert mask(KEPT[-1]).kinds == ("number",)
    assert mask("身份证110105194912310021").kinds == ("number",)
    assert mask("身份证110105194913310023").kinds == ("number",), "there is no thirteenth month"


def test_an_earlier_kind_is_never_cut_by_a_later_one():
    assert mask("order 13912345678").kinds == ("order number",)
    assert mask("13912345678@qq.com").kinds == ("e-mail",)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_planted_details_are_found_and_plain_messages_stay(language):
    """600 of each: all but half a percent, and no false alarm in more than that."""
    missed = [one for one in planted(language, 600, seed=5) if one.detail in mask(one.text).text]
    wrong = [one for one in planted(language, 600, seed=5) if one.kind not in mask(one.text).kinds]
    assert len(missed) <= 3, missed
    assert len(wrong) <= 3, wrong
    alarms = [text for text in plain(language, 600, seed=5) if mask(text).kinds]
    assert len(alarms) <= 3, alarms


def test_every_kind_is_planted():
    kinds = {one.kind for language in ("en", "zh") for one in planted(language, 60)}
    assert kinds == set(KINDS) - {"number"}
