"""`flashsale new`: the beginning of a scenario of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from flashsale_env.experiments.display import notice, print_json
from flashsale_env.experiments.options import Json, checked, scenario_names
from flashsale_env.experiments.runs import check_file

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the scenario.")]
File = Annotated[
    Path,
    typer.Option("--out", metavar="FILE", help="File of the scenario, NAME.toml.", callback=checked(check_file)),
]
Like = Annotated[
    str | None,
    typer.Option(
        "--like",
        metavar="NAME|TOML",
        help="Scenario to begin from [default: two products, an hour].",
        autocompletion=scenario_names,
    ),
]
With = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="MECHANISM", help="Mechanism to add, e.g. coupon; repeatable."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file.")]

EXAMPLES = (
    "flashsale new sneakers --out sneakers.toml --with coupon --with waiting",
    "flashsale new mine --out mine.toml --like standard",
)


def command(
    name: Name,
    out: File,
    like: Like = None,
    mechanisms: With = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Begin a scenario of your own.

    The file can be played at once. Every key has its meaning as a comment. Mechanisms take their settings from the
    shipped scenarios.
    """
    from flashsale_env.experiments.new.file import check_path, write

    check_path(out, overwrite)
    begun, warnings = write(name, out, like, mechanisms or ())
    if as_json:
        print_json({"out": str(out), "name": name, "like": like, "added": dict(begun.added), "warnings": warnings})
        return
    for mechanism, source in begun.added.items():
        notice(f"[{mechanism}] {source}")
    for warning in warnings:
        notice(warning)
    notice(f"scenario in {out}; next: flashsale show {out}, then flashsale evaluate fixed_price --scenario {out}")
