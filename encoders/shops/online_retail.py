"""Online Retail and Online Retail II: invoices of a British online shop, December 2009 to December 2011.

An invoice that begins with C is a cancellation and one with A an adjustment. A stock code that does not begin with five
digits is no product: postage, fees, vouchers and corrections. The two sheets of the workbook overlap in December 2010;
an invoice that an earlier sheet has is dropped in the later one.

Source: Chen, Sain & Guo (2012), doi 10.1057/dbm.2012.17; UCI Machine Learning Repository, doi 10.24432/C5CG6D. The
dates of the CSV file of the first edition are written month first.
"""

from collections.abc import Sequence
from pathlib import Path

from flashsale_env.encoders.records.rows import Rows
from flashsale_env.encoders.shops.roles import TABLE, Role, ShopReader, read_roles
from flashsale_env.encoders.tables.cells import identifiers
from flashsale_env.encoders.tables.fileformat import FileFormat

ROLES = {
    "invoices": Role(
        {
            "invoice": ("Invoice", "InvoiceNo"),
            "product": ("StockCode",),
            "units": ("Quantity",),
            "time": ("InvoiceDate",),
            "price": ("Price", "UnitPrice"),
        },
        {"title": ("Description",), "country": ("Country",)},
    )
}


def read(paths: Sequence[Path], form: FileFormat) -> Rows:
    """Lines of invoices as rows."""
    tables, notes = read_roles("online-retail-ii", ROLES, paths, form)
    lines = tables["invoices"]
    frame = lines[[name for name in ("product", "title", "units", "time", "price") if name in lines]].copy()
    invoice = identifiers(lines["invoice"])
    frame["basket"] = invoice.astype(object)
    if "title" in frame:
        frame["title"] = identifiers(frame["title"]).astype(object)
    rows = Rows(frame, "online-retail-ii")
    rows.notes += notes
    number = invoice.astype(str)
    rows.drop("cancelled invoice (C...)", number.str.startswith("C"))
    rows.drop("adjustment (A...)", number.str.startswith("A"))
    code = identifiers(lines["product"]).astype(str)
    rows.drop("no product: postage, fees, vouchers, corrections", ~code.str.match(r"\d{5}"))
    first = lines.groupby(invoice, observed=True)[TABLE].transform("min")
    rows.drop("invoice that an earlier sheet has", lines[TABLE] > first)
    return rows


READER = ShopReader(
    "online-retail-ii", "UCI's Online Retail and Online Retail II (XLSX or CSV)", ROLES, read, FileFormat(sheet="*")
)
