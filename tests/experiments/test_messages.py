"""CSV files of messages, as shops write them and as they get them wrong."""

import pandas as pd
import pytest

from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.experiments.messages import read


def read_messages(*where, **how):
    return read(*where, **how).texts


def test_messages_come_in_the_order_of_the_file_and_untouched(messages):
    path = messages('id,text\n1," padded "\n2,"two\nlines, one message"\n3,null\n4,价格多少？\n')
    assert read_messages(path, "text") == [" padded ", "two\nlines, one message", "null", "价格多少？"]


def test_a_byte_order_mark_is_no_part_of_the_first_columns_name(messages):
    assert read_messages(messages(b"\xef\xbb\xbftext\nhello\n"), "text") == ["hello"]


def test_a_blank_line_at_the_end_is_no_message(messages):
    assert read_messages(messages("text\nhello\n\n\n"), "text") == ["hello"]


def test_another_encoding_can_be_named(messages):
    assert read_messages(messages("text\ncafé\n".encode("cp1252")), "text", form=FileFormat(encoding="cp1252")) == [
        "café"
    ]


def test_an_encoding_is_guessed_and_the_guess_is_said(messages):
    found = read(messages("text\n价格多少？有没有优惠券\n".encode("gb18030")), "text")
    assert found.texts == ["价格多少？有没有优惠券"]
    assert any("encoding guessed as gb18030" in note for note in found.account["notes"])
    with pytest.raises(ValueError, match=r"is not utf-8: byte 0xe9 at offset 8 \(line 2\)"):
        read_messages(messages(b"text\ncaf\xe9\n"), "text", form=FileFormat(encoding="utf-8"))


def test_messages_come_from_workbooks_and_from_json(tmp_path, messages):
    table = pd.DataFrame({"text": ["hello", "NA", 42], "id": [1, 2, 3]})
    table.to_excel(tmp_path / "m.xlsx", index=False)
    assert read_messages(tmp_path / "m.xlsx", "text") == ["hello", "NA", "42"]
    path = messages('{"chat": {"text": "hello"}}\n{"chat": {"text": "null"}}\n', "m.jsonl")
    assert read_messages(path, "chat.text") == ["hello", "null"]
    assert read_messages([path, path], "chat.text") == ["hello", "null"] * 2


def test_empty_texts_are_left_out_only_when_asked(messages):
    path = messages("id,text\n1,hello\n2,\n3,   \n4,bye\n")
    with pytest.raises(ValueError, match=r"empty in row 2 below the header \(2 such rows of 4\).*--skip-empty"):
        read_messages(path, "text")
    assert read_messages(path, "text", skip_empty=True) == ["hello", "bye"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,message\n1,hello\n", "unknown column 'mesage'. Did you mean 'message'. Known: id, message"),
        ("", "is empty: want a header"),
        ("\n\n", "is empty: want a header"),
        ("id,mesage\n", "has a header but no rows"),
        ("id,mesage\n1,\n2, \n", "empty in row 1"),
        ("id,mesage\n1,hello, world\n2,bye\n", "not a readable CSV file.*Quote cells that hold"),
        ("id,mesage\n1,hello,x\n2,bye,x\n", "not a readable CSV file"),
        ('id,mesage\n1,"never closed\n', "is never closed"),
    ],
)
def test_what_is_no_file_of_messages_is_refused_with_the_place(messages, content, message):
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        read_messages(messages(content), "mesage")


def test_a_file_without_any_text_is_refused_even_when_empty_rows_may_go(messages):
    with pytest.raises(ValueError, match="empty in all 2 rows"):
        read_messages(messages("id,text\n1,\n2,\n"), "text", skip_empty=True)


def test_a_missing_file_a_folder_and_an_unknown_encoding_are_told_apart(messages, tmp_path):
    with pytest.raises(FileNotFoundError, match="no file at"):
        read_messages(tmp_path / "nowhere.csv", "text")
    with pytest.raises(ValueError, match="is a folder"):
        read_messages(tmp_path, "text")
    with pytest.raises(ValueError, match="unknown encoding 'utf-9'"):
        read_messages(messages("text\nhello\n"), "text", form=FileFormat(encoding="utf-9"))


def test_labels_come_beside_their_texts_and_may_be_missing(messages):
    path = messages("text,intent\nhow much,bargain_hunting\n,gift\nhello,\n")
    found = read(path, "text", labels="intent", skip_empty=True)
    assert found.texts == ["how much", "hello"]
    assert found.labels == ["bargain_hunting", ""]


def test_a_row_can_be_labelled_as_having_no_intent(messages):
    path = messages("text,intent\nhow much,bargain_hunting\ntell me a joke,none\nhello,\n")
    assert read(path, "text", labels="intent").labels == ["bargain_hunting", "none", ""]
    with pytest.raises(ValueError, match=r"unknown intent 'noone'\. Did you mean 'none'"):
        read(messages("text,intent\nhow much,noone\n"), "text", labels="intent")


def test_a_shops_own_labels_are_read_by_a_mapping(messages, file):
    path = messages("text,label\nhow much,PRICE\nwhere is it,WISMO\nhello,SMALLTALK\nhm,\n")
    mapping = file(
        '[labels]\nPRICE = "bargain_hunting"\nWISMO = "shipping_question"\nREFUDN = "complaint_return"\n',
        "meaning.toml",
    )
    with pytest.warns(UserWarning, match=r"mapping: SMALLTALK \(1\); labels of the mapping without a row: REFUDN"):
        found = read(path, "text", labels="label", mapping=mapping)
    assert found.labels == ["bargain_hunting", "shipping_question", "", ""]
    with pytest.raises(ValueError, match="column 'label' holds none of the mapped labels COST"):
        read(path, "text", labels="label", mapping=file('[labels]\nCOST = "bargain_hunting"\n', "cost.toml"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,intent\na,gift\nb,gitf\n", r"row 2 below the header: unknown intent 'gitf'. Did you mean 'gift'"),
        ("text,intents\na,gift\n", "Did you mean 'intents'"),
        ("text,intent\na,\nb,\n", "empty in all rows; label some: bargain_hunting"),
    ],
)
def test_labels_that_say_nothing_are_refused(messages, content, message):
    with pytest.raises(ValueError, match=message):
        read(messages(content), "text", labels="intent")
