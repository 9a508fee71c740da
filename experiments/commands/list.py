"""`flashsale list`: what there is, by name."""

from flashsale_env.experiments.display import print_json, show_table
from flashsale_env.experiments.options import Json

EXAMPLES = (
    "flashsale list",
    "flashsale list --json",
)


def command(as_json: Json = False) -> None:
    """Show what there is, by name.

    Any of these names can be given where a command asks for one.
    """
    from flashsale_env.experiments.listing import everything

    found = everything()
    if as_json:
        print_json(found)
        return
    for kind, rows in found.items():
        columns = [column for column in ("name", "description", "command") if column in rows[0]]
        show_table(kind, columns, [[row[column] for column in columns] for row in rows], text_columns=len(columns))
