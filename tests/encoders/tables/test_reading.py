"""Files of every kind give the same table; what cannot be read is refused with the place and the remedy."""

import datetime
import gzip
import json
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.encoders.tables.reading import read_columns

NAMES = ["a", "b", "c"]


def read(*paths, names=NAMES, mapped=None, **form):
    return read_columns(paths, names, mapped=mapped, form=FileFormat(**form))


def rows(*paths, **options):
    return read(*paths, **options).frame.astype(object).replace({np.nan: None}).values.tolist()


def workbook(path, **sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, cells in sheets.items():
        sheet = book.create_sheet(name)
        for row in cells:
            sheet.append(row)
    book.save(path)
    return path


# --------------------------------------------------------------------------------------------------------------- text


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("x.csv", "a,b,c\n1,2,3\n4,5,6\n", {}),
        ("x.CSV", "a,b,c\r\n1,2,3\r\n4,5,6", {}),
        ("x.csv", "a,b,c\r\n1,2,3\n4,5,6\r", {}),  # mixed line ends
        ("x.csv", "\ufeffa,b,c\n1,2,3\n4,5,6\n\n\n", {}),
        ("x.csv", ' a , b ,"c"\n"1",2,3\n4,5,6\n', {}),
        ("x.csv", "\n\na,b,c\n1,2,3\n\n4,5,6\n", {}),
        ("x.csv", "Report,of May\n\na,b,c\n1,2,3\n4,5,6\n", {"skip_rows": 2}),
        ("x.csv", "a;b;c\n1;2;3\n4;5;6\n", {"separator": ";"}),
        ("x.csv", "sep=;\na;b;c\n1;2;3\n4;5;6\n", {}),
        ("x.csv", "a|b|c\n1|2|3\n4|5|6\n", {"separator": "|"}),
        ("x.txt", "a\tb\tc\n1\t2\t3\n4\t5\t6\n", {"separator": "tab"}),
        ("x.tsv", "a\tb\tc\n1\t2\t3\n4\t5\t6\n", {}),
        ("x.csv", "a,b,c\n1,2,3,\n4,5,6,\n", {}),  # a separator at the end of each row
        ("x.csv", "a,b,c,\n1,2,3,\n4,5,6,\n", {}),  # a column without a name
        ("x.csv", "x,a,b,c,x\n9,1,2,3,9\n9,4,5,6,9\n", {}),  # a name twice that nobody asks for
        ("x.tsv", "a\tb\tc\n1\t2\t3\n4\t5\t6\n".encode("utf-16"), {}),
        ("x.csv", "a,b,c\n1,2,3\n4,5,6\n".encode("utf-16-le"), {}),
        ("x.csv", "a,b,c\n1,2,3\n4,5,6\n".encode("utf-32"), {}),
        ("x.csv.gz", gzip.compress(b"a,b,c\n1,2,3\n4,5,6\n", mtime=0), {}),
        ("x.jsonl", '{"a":"1","b":"2","c":"3"}\n\n{"a":"4","b":"5","c":"6"}\n', {}),
        ("x.json", '[{"a":"1","b":"2","c":"3"},{"a":"4","b":"5","c":"6"}]', {}),
        ("x.json", '{"orders":[{"a":"1","b":"2","c":"3"},{"a":"4","b":"5","c":"6"}],"page":1}', {}),
        ("x.json", '{"a":"1","b":"2","c":"3"}\n{"a":"4","b":"5","c":"6"}\n', {}),
    ],
)
def test_the_same_table_in_many_files(file, name, content, form):
    assert rows(file(content, name), **form) == [["1", "2", "3"], ["4", "5", "6"]]


def test_cells_may_hold_separators_line_breaks_and_quotation_marks(file):
    path = file('a,b,c\n"1,5","two\nlines","say ""hi"""\n5" pipe,NA,007\n')
    assert rows(path) == [["1,5", "two\nlines", 'say "hi"'], ['5" pipe', "NA", "007"]]


def test_short_rows_are_filled_up_in_their_places_and_counted(file):
    table = read(file("a,b,c\n1,2,3\n4,5\n6,7,8\n9\n"))
    assert table.frame.values.tolist() == [["1", "2", "3"], ["4", "5", ""], ["6", "7", "8"], ["9", "", ""]]
    assert any("2 rows have fewer cells" in note for note in table.notes)
    table = read(file("title\n\na,b,c\n1,2,3\n4,5\n6,7,8\n"), skip_rows=1)
    assert table.frame["a"].tolist() == ["1", "4", "6"]


def test_a_line_that_was_broken_inside_a_cell_is_dropped_as_such(file):
    table = read(file("a,b,c\n1,2,3\n4,fi\nve,6\n7,8,9\n"))
    (mask,) = table.dropped.values()
    assert mask.tolist() == [False, True, True, False]
    assert not any("fewer cells" in note for note in table.notes)


def test_another_encoding_is_guessed_and_said(file):
    for text, encoding in (
        ("Crème brûlée, pâtes fraîches", "cp1252"),
        ("Müsliriegel, Käse, Brötchen, Öl", "cp1252"),
        ("绿茶饮料,方便面,洗发水,商品名称", "gb18030"),
        ("зелёный чай, шампунь, товар", "cp1251"),
    ):
        path = file(f"a|b|c\n{text}|1|2\n".encode(encoding))
        table = read(path, separator="|")
        assert table.frame["a"].tolist() == [text]
        assert any(f"encoding guessed as {encoding}" in note and text[:4] in note for note in table.notes), table.notes
    assert rows(file("a,b,c\ncaf\xe9,1,2\n".encode("cp1252")), encoding="cp1252") == [["café", "1", "2"]]


def test_a_byte_that_is_foreign_far_down_counts_too(file):
    path = file(b"a,b,c\n" + b"1,2,3\n" * 200_000 + "thé,2,3\n".encode("cp1252"))
    assert read(path).frame["a"].iloc[-1] == "thé"


@pytest.mark.parametrize(
    ("name", "content", "form", "message"),
    [
        ("x.csv", "", {}, "is empty"),
        ("x.csv", "\n\n", {}, "is empty"),
        ("x.csv", "a,b,c\n", {}, "has a header but no rows"),
        ("x.csv", "a;b;c\n1;2;3\n", {}, "give --separator ';'"),
        ("x.csv", "a\tb\n1\t2\n", {}, "give --separator tab"),
        ("x.tsv", "a,b\n1,2\n", {}, "give --separator ','"),
        ("x.txt", "a,b\n1,2\n", {}, "give --separator"),
        ("x.csv", "a,b,c\n1,2,3,4\n", {}, "Expected 3 columns, got 4.*The header has 3. Quote cells"),
        ("x.csv", 'a,b,c\n1,2,"never\n4,5,6\n', {}, "opens a cell in line 2 is never closed"),
        ("x.csv", 'a,b,c\n1,"2,3\n4,5,6\n', {}, "opens a cell in line 2 is never closed"),
        ("x.csv", "a,b,b,c\n1,2,3,4\n", {}, "has 2 columns named 'b'"),
        ("x.csv", b"a,b,c\ncaf\xe9,2,3\n", {"encoding": "utf-8"}, r"is not utf-8: byte 0xe9 at offset 9 \(line 2\)"),
        ("x.csv", b"PK\x03\x04rest", {}, "zip archive or an Excel workbook"),
        ("x.csv", gzip.compress(b"a,b\n", mtime=0), {}, r"let its name end in \.gz"),
        ("x.csv.gz", b"a,b\n1,2\n", {}, "is damaged"),
        ("x.csv.gz", gzip.compress(b"a,b,c\n" + b"1,2,3\n" * 9000, mtime=0)[:-20], {}, "is damaged"),
        ("x.xlsx", b"a,b\n1,2\n", {}, "is not a readable workbook.*name it .csv"),
        ("x.xls", b"<html><table>", {}, "is HTML or XML"),
        ("x.parquet", b"a,b\n", {}, "is not a readable Parquet file"),
        ("x.jsonl", '{"a":1}\n{"a":\n', {}, "is not readable JSON"),
        ("x.jsonl", "[1]\n", {}, "record 1 is no object"),
        ("x.json", '{"a":1,"b":2}', {}, "one object with 0 lists"),
        ("x.zip", b"PK", {}, "is no zip archive or is damaged"),
        ("x.doc", "", {}, r"whose name ends in \.csv, \.tsv"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(file, name, content, form, message):
    with pytest.raises(ValueError, match=message):
        read(file(content, name), **form)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file at"):
        read(tmp_path / "nowhere.csv")
    with pytest.raises(ValueError, match="is a folder"):
        read(tmp_path)


# ------------------------------------------------------------------------------------------------------- several files


def test_several_files_and_the_members_of_an_archive_stand_below_each_other(file, tmp_path):
    first, second = file("a,b,c\n1,2,3\n", "1.csv"), file("c,b,a\n6,5,4\n", "2.csv")
    table = read(first, second)
    assert table.frame.values.tolist() == [["1", "2", "3"], ["4", "5", "6"]]
    assert table.file.tolist() == [0, 1]
    path = tmp_path / "both.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/2.csv", "a,b,c\n4,5,6\n")
        archive.writestr("data/1.csv", "a,b,c\n1,2,3\n")
        archive.writestr("README.md", "read me")
        archive.writestr("__MACOSX/data/._1.csv", "x")
    table = read(path)
    assert table.frame["a"].tolist() == ["1", "4"]
    assert any("README.md is no table" in note for note in table.notes)


def test_files_with_other_columns_are_not_mixed(file):
    with pytest.raises(ValueError, match=r"2\.csv has no column for 'c', which another file has"):
        read(file("a,b,c\n1,2,3\n", "1.csv"), file("a,b\n4,5\n", "2.csv"))


def test_an_archive_without_tables_or_with_a_password_is_refused(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README.md", "read me")
    with pytest.raises(ValueError, match=r"holds no table \(it holds README.md\)"):
        read(path)


# -------------------------------------------------------------------------------------------------- workbooks, Parquet


def test_a_workbook_keeps_the_types_of_its_cells(tmp_path):
    day = datetime.datetime(2024, 5, 31, 18, 4)
    path = workbook(tmp_path / "x.xlsx", sales=[["a", "b", "c"], [7, "007", day], [8.5, None, None]])
    frame = read(path).frame
    assert frame["a"].tolist() == [7, 8.5]
    assert frame["b"].iloc[0] == "007"
    assert frame["c"].iloc[0] == day
    assert frame["c"].isna().tolist() == [False, True]


def test_the_sheet_is_named_where_there_are_several(tmp_path):
    one, two = [["a", "b", "c"], ["1", "2", "3"]], [["a", "b", "c"], ["4", "5", "6"]]
    path = workbook(tmp_path / "x.xlsx", first=one, second=two, empty=[])
    with pytest.raises(ValueError, match="2 sheets with cells, 'first', 'second': give --sheet NAME"):
        read(path)
    assert rows(path, sheet="second") == rows(path, sheet="2") == [["4", "5", "6"]]
    assert rows(path, sheet="*") == [["1", "2", "3"], ["4", "5", "6"]]
    with pytest.raises(ValueError, match=r"unknown sheet 'secnd'\. Did you mean 'second'"):
        read(path, sheet="secnd")
    path = workbook(
        tmp_path / "y.xlsx", only=[["Sales of May"], [], ["a", "b", "c"], ["1", "2", "3"], [], [None, None]]
    )
    assert rows(path, skip_rows=2) == [["1", "2", "3"]]


def test_parquet_opens_structs_lists_and_bytes(tmp_path):
    table = pa.table(
        {
            "id": pa.array([1, 2]),
            "name": pa.array([b"tea", "thé".encode()]),
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "price": pa.array(["1.50", "2.50"]).cast(pa.decimal128(6, 2)),
            "place": pa.array([{"city": "Bonn"}, {"city": "Köln"}]),
            "items": pa.array([[{"sku": "a", "n": 1}, {"sku": "b", "n": 2}], [{"sku": "c", "n": 3}]]),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    path = tmp_path / "x.parquet"
    mapped = {"a": "name", "b": "kind", "c": "price"}
    assert rows(path, mapped=mapped) == [["tea", "x", 1.5], ["thé", "y", 2.5]]
    mapped = {"a": "id", "b": "place.city", "c": "items.sku"}
    assert rows(path, mapped=mapped) == [[1, "Bonn", "a"], [1, "Bonn", "b"], [2, "Köln", "c"]]
    pq.write_table(pa.table({"a": pa.array([b"\xff\xfe"])}), path)
    with pytest.raises(ValueError, match="column 'a' holds bytes that are no UTF-8 text"):
        read(path)
    pq.write_table(pa.table({"a": [[1]], "b": [[2]]}), path)
    with pytest.raises(ValueError, match="are two lists"):
        read(path)


def test_json_opens_objects_and_lists(file):
    orders = [
        {"id": 1, "who": {"city": "Bonn"}, "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2.5}], "paid": True},
        {"id": 2, "who": None, "items": []},
    ]
    path = file("\n".join(map(json.dumps, orders)), "x.jsonl")
    mapped = {"a": "id", "b": "who.city", "c": "items.n"}
    assert rows(path, mapped=mapped) == [[1, "Bonn", 1.0], [1, "Bonn", 2.5]]
    assert rows(path, names=["a", "b"], mapped={"a": "id", "b": "paid"}) == [[1, True], [2, None]]


def test_an_identifier_of_twenty_digits_stays_itself(file):
    path = file('{"a":12345678901234567890,"b":1,"c":null}\n{"a":null,"b":2,"c":null}\n', "x.jsonl")
    assert read(path).frame["a"].iloc[0] == "12345678901234567890"


# --------------------------------------------------------------------------------------------------------------- names


def test_columns_are_mapped_and_wrong_names_have_a_hint(file):
    path = file("sku,paid\n1,2\n")
    assert rows(path, mapped={"a": "sku", "b": "paid"}) == [["1", "2"]]
    with pytest.raises(ValueError, match=r"for a, unknown column 'skuu'\. Did you mean 'sku'"):
        read(path, mapped={"a": "skuu"})
    with pytest.raises(ValueError, match=r"unknown column of the schema 'prize'"):
        read_columns([path], ["price"], mapped={"prize": "paid"})


def test_a_wide_table_has_one_row_of_each_product(file):
    path = file("v,p_tea,p_soda,ok_tea,ok_soda,took\n1,2,3,1,1,soda\n2,2,,1,0,\n")
    mapped = {"visit": "v", "price": "p_{product}", "available": "ok_{product}", "bought": "took"}
    frame = read_columns([path], ["visit", "product", "price", "available", "bought"], mapped=mapped).frame
    assert frame[["visit", "product", "price", "available"]].values.tolist() == [
        ["1", "tea", "2", "1"],
        ["1", "soda", "3", "1"],
        ["2", "tea", "2", "1"],
        ["2", "soda", "", "0"],
    ]
    assert frame["bought"].tolist() == [0, 1, 0, 0]
    with pytest.raises(ValueError, match="bought holds 'cola', want one of the products tea, soda"):
        read_columns([file("v,p_tea,p_soda,took\n1,2,3,cola\n")], ["product", "price", "bought"],
                     mapped={"price": "p_{product}", "bought": "took"})  # fmt: skip
    with pytest.raises(ValueError, match=r"no column is of the form 'q_{product}'"):
        read_columns([path], ["product", "price"], mapped={"price": "q_{product}"})
    with pytest.raises(ValueError, match="columns of different products: cola"):
        read_columns([file("p_tea,ok_tea,ok_cola\n1,1,1\n")], ["product", "price", "available"],
                     mapped={"price": "p_{product}", "available": "ok_{product}"})  # fmt: skip


def test_parquet_and_csv_agree_on_a_frame(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "b": [2.5, np.nan], "c": ["x", None]})
    frame.to_parquet(tmp_path / "x.parquet")
    assert read(tmp_path / "x.parquet").frame["a"].tolist() == [1, 2]
    assert read(tmp_path / "x.parquet").frame["c"].isna().tolist() == [False, True]
