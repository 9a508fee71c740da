"""The commands of `flashsale`: options in, tables or JSON out.

Owns    the words of the command line. Each command checks its input before it starts anything long, and a command that
        writes a folder claims it through `runs`.
Leaves  the work to the module of the same name, which is imported only when its command runs: `flashsale list` loads
        no torch.
"""

import contextlib
import dataclasses
import functools
import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from flashsale_env.experiments.cli import CHECK_FAILED, DONE, USER_ERROR, Interrupted
from flashsale_env.experiments.display import notice, progress_bar, show_table
from flashsale_env.experiments.runs import Run, check_file, check_folder, locked

app = typer.Typer(
    name="flashsale",
    help="Flash sales with customers who come from sentences: build them, learn to sell to them, compare.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _checked(check: Callable[[Any, str], None]) -> Any:
    """An option with a check of its value, (value, option), that runs before the command does anything."""

    def callback(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
        if value is not None and not context.resilient_parsing:
            check(value, max(parameter.opts, key=len))
        return value

    return callback


def _check_device(name: str, option: str) -> None:
    from flashsale_env.agents.devices import check_device

    check_device(name, option)


def _check_run(number: int, option: str) -> None:
    from flashsale_env.agents.seeding import check_run

    check_run(number, option)


def _check_tensorboard(folder: Path, option: str) -> None:
    check_folder(folder, option)
    if importlib.util.find_spec("tensorboard") is None:
        raise ValueError(f"{option} needs the package 'tensorboard': pip install 'flashsale-env[experiments]'.")


# What a sale takes bounds how many figures of sales fit any memory, and how many sales are a training.
MOST_SALES, MOST_TRAINING_SALES, MOST_VISITS = 10_000_000, 1 << 40, 100_000_000
# Runs, trials, products, prices and ticks beyond it are a slip of the finger; what a scenario takes, it says itself.
MOST_OF_IT = 100_000
# What a generator of random numbers and Optuna's samplers take.
MOST_SEED = (1 << 32) - 1

Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder for the results.", callback=_checked(check_folder))
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the results of an earlier run in --out.")]
PopulationOption = Annotated[
    str | None,
    typer.Option("--population", metavar="DIR", help="Customers: folder or shipped name [default: the scenario's]."),
]
Device = Annotated[
    str,
    typer.Option(
        "--device", help="auto (CUDA where there is one), cpu, cuda or cuda:N.", callback=_checked(_check_device)
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the run.", callback=_checked(_check_run))]
TrainingSales = Annotated[
    int | None,
    typer.Option(
        "--sales", min=1, max=MOST_TRAINING_SALES, help="Sales played in one training [default: the preset's]."
    ),
]


def dispatch(words: Sequence[str], command_line: str) -> int:
    """Run one command and return the exit code; mistakes in the options are reported here."""
    try:
        return int(app(list(words), prog_name="flashsale", standalone_mode=False, obj=command_line) or 0)
    except typer.BadParameter.__mro__[2] as error:  # ClickException, which typer does not export
        message, context = error.format_message(), getattr(error, "ctx", None)
        if context is None or not words or context.get_help() == message:
            typer.echo(message, err=True)
        else:
            notice(f"flashsale: {' '.join(message.split())} See `{context.command_path} --help`.")
        return USER_ERROR


def _stops_on_interrupt(after: str) -> Callable[[Callable[..., int | None]], Callable[..., int | None]]:
    """Turn Ctrl-C into exit code 130 with one line; `after` says what is left, {options} filled in."""

    def decorate(command: Callable[..., int | None]) -> Callable[..., int | None]:
        @functools.wraps(command)
        def guarded(**options: Any) -> int | None:
            try:
                return command(**options)
            except KeyboardInterrupt:
                raise Interrupted(f"stopped by Ctrl-C. {after.format(**options)}") from None

        return guarded

    return decorate


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the scenarios, agents, populations, encoders and experiments there are."""
    from flashsale_env.experiments.listing import everything

    found = everything()
    if as_json:
        _print_json(found)
        return
    for kind, rows in found.items():
        show_table(kind, ("name", "description"), [(row["name"], row["description"]) for row in rows], text_columns=2)


@app.command()
@_stops_on_interrupt("{out} is not complete: run the command again with --overwrite.")
def demo(
    context: typer.Context,
    out: Out = Path("runs/demo"),
    config: Annotated[str, typer.Option(metavar="NAME|TOML", help="An experiment of `flashsale list`.")] = "demo",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Run the whole chain: texts, BERT, customers, PPO, comparison, pictures. Under 5 minutes on 2 cores."""
    from flashsale_env.experiments.settings import load_demo_settings

    settings = load_demo_settings(config)
    run = Run(
        out,
        context.obj,
        options={"config": config, **dataclasses.asdict(settings)},
        seeds={"corpus, demand, tuning, training run": settings.seed, "test split": 0},
        inputs=[path for path in (config, settings.scenario) if Path(path).exists()],
    )
    with run.claimed(overwrite=overwrite):
        from flashsale_env.experiments.demo import run_demo, verdict

        result = run_demo(run, settings)
    if as_json:
        _print_json(result)
        return
    title = f"{result['test_sales']:,} test sales of {settings.scenario}, the same customers for all"
    show_agents(title, result["agents"])
    bound = result["bound"]
    value = f"{_money(bound['value'])} ± {_money(bound['half_width'], bound['value'])}"
    show_table(
        "around it",
        ("what", "value"),
        [
            (f"upper bound: {bound['name']}", value),
            ("encoder on unseen phrasings, macro-F1", f"{result['encoder']['macro_f1']:.3f}"),
            ("TF-IDF on the same, macro-F1", f"{result['encoder']['tfidf_macro_f1']:.3f}"),
            ("held-out NLL of demand: no text", f"{result['demand']['no_text_nll']:.4f}"),
            ("held-out NLL of demand: text", f"{result['demand']['heldout_nll']:.4f}"),
            ("held-out NLL of demand: true intent", f"{result['demand']['true_intent_nll']:.4f}"),
            ("seconds", f"{result['seconds']['total']:,.0f}"),
        ],
    )
    print(verdict(result))
    notice(f"everything is in {out}; open {out / 'index.html'}")


@app.command()
@_stops_on_interrupt("{out} is untouched or incomplete; run the command again.")
def encode(
    context: typer.Context,
    messages: Annotated[Path, typer.Argument(metavar="MESSAGES.csv", help="CSV file with a header.")],
    text_column: Annotated[str, typer.Option("--text-column", metavar="C", help="Column that holds the messages.")],
    out: Out,
    scenario: Annotated[str, typer.Option(help="Whose products they shop for: name or TOML file.")] = "standard",
    encoder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Encoder with its demand model, e.g. runs/demo/encoder [default: shipped]."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="C", help="Column with intents of some rows: the encoder learns them first."),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help='What the --labels mean: a table [labels] with REFUND = "intent".'),
    ] = None,
    encoding: Annotated[str, typer.Option(help="Character encoding of the file.")] = "utf-8",
    skip_empty: Annotated[bool, typer.Option("--skip-empty", help="Leave out rows without a text.")] = False,
    in_scope_only: Annotated[
        bool, typer.Option("--in-scope-only", help="Leave out messages with none of the nine intents.")
    ] = False,
    cache: Annotated[
        Path | None,
        typer.Option(
            "--cache",
            metavar="DIR",
            help="Keep what was read there: the same texts are read once.",
            callback=_checked(check_folder),
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Build customers from a shop's own messages: intents by BERT, tastes by the demand model."""
    from flashsale_env import load_scenario
    from flashsale_env.experiments.messages import read_labelled, read_messages

    if mapping is not None and labels is None:
        raise ValueError("--mapping says what labels mean: name their column with --labels.")
    sale = load_scenario(scenario)

    run = Run(
        out,
        context.obj,
        options={
            "messages": str(messages),
            "text_column": text_column,
            "labels": labels,
            "mapping": None if mapping is None else str(mapping),
            "scenario": scenario,
            "encoder": str(encoder) if encoder else "default",
            "encoding": encoding,
            "skip_empty": skip_empty,
            "in_scope_only": in_scope_only,
        },
        inputs=(messages, *(path for path in (encoder, mapping) if path)),
    )
    intents: list[str] = []
    with run.claimed(overwrite=overwrite):
        if labels is None:
            texts = read_messages(messages, text_column, encoding=encoding, skip_empty=skip_empty)
        else:
            meanings = None
            if mapping is not None:
                from flashsale_env.encoders.studies.transfer import read_mapping

                meanings = read_mapping(mapping)
            texts, intents = read_labelled(
                messages, text_column, labels, mapping=meanings, encoding=encoding, skip_empty=skip_empty
            )

        from flashsale_env.encoders.text.embedding_cache import EmbeddingCache
        from flashsale_env.encoders.world.populations import population_from_texts
        from flashsale_env.experiments.encode import read_customers, save_encoder, summary, tune

        watched = sys.stderr.isatty()
        known = None if cache is None else EmbeddingCache(cache)
        if labels is None:
            population = read_customers(
                texts, sale, encoder, cache=known, in_scope_only=in_scope_only, command=context.obj, progress=watched
            )
            run.begin()
        else:
            from flashsale_env.experiments.pages.pictures import confusion

            reader, demand = tune(texts, intents, encoder, cache=known, command=context.obj, progress=watched)
            population = population_from_texts(
                texts, reader, demand, sale, in_scope_only=in_scope_only, command=context.obj, progress=watched
            )
            run.begin()
            save_encoder(reader, demand, out / "encoder")
            confusion(out / "confusion.png", reader.card["figures"]["cross_validation"]["confusion"])
        population.save(out)
        run.finish()
    found = summary(population)
    if labels is not None:
        found["cross_validation"] = reader.card["figures"]["cross_validation"]
    if as_json:
        examples = [dataclasses.asdict(example) for example in found["examples"]]
        _print_json({"out": str(out), **found, "examples": examples})
        return
    show_table(
        f"intents of {len(population):,} messages",
        ("intent", "messages", "share", "mean probability", "price sensitivity"),
        [
            (
                intent,
                f"{row['messages']:,}",
                f"{row['messages'] / len(population):.1%}",
                f"{row['mean_probability']:.3f}",
                "-" if row["mean_price_sensitivity"] is None else f"{row['mean_price_sensitivity']:.2f}",
            )
            for intent, row in sorted(found["intents"].items(), key=lambda item: -item[1]["messages"])
        ],
    )
    if labels is not None:
        scored = found["cross_validation"]
        rows = [("before, as it came", scored["zero_shot"]), ("learned, on rows it did not see", scored)]
        show_table(
            f"intents of the {sum(map(bool, intents)):,} labelled messages, cross-validated",
            ("encoder", "accuracy", "macro-F1"),
            [(name, f"{row['accuracy']:.3f}", f"{row['macro_f1']:.3f}") for name, row in rows],
        )
        notice(f"which intents are mistaken for which: {out / 'confusion.png'}")
    outside = population.card["out_of_scope"]
    if outside:
        fate = "they were left out" if in_scope_only else "they count with the nearest; --in-scope-only leaves them out"
        notice(f"{outside:,} of {len(texts):,} messages have none of the nine intents: {fate}")
    if known is not None:
        notice(f"{known.hits:,} of {known.hits + known.misses:,} texts were in {cache}")
    show_table(
        "examples, evenly spaced over the file",
        ("message", "intent", "probability"),
        [(_short(e.text), e.intent, f"{e.probability:.2f}") for e in found["examples"]],
        text_columns=2,
    )
    following = f"flashsale train {scenario} --population {out} --out DIR"
    notice(f"population of {len(population):,} voices in {out}; next: {following}")


@app.command()
def explain(
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="What a customer wrote, in quotes.")],
    intent: Annotated[str | None, typer.Option(help="Which intent to explain [default: the most probable].")] = None,
    encoder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Encoder with its demand model, e.g. runs/demo/encoder [default: shipped]."),
    ] = None,
    scenario: Annotated[str, typer.Option(help="Whose products the tastes are about: name or file.")] = "standard",
    population: PopulationOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.html", help="Write the coloured message.", callback=_checked(check_file)),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file that --out names.")] = False,
    as_json: Json = False,
) -> None:
    """Say which words of a message moved its intent, and which tastes follow from it."""
    from flashsale_env import load_population, load_scenario

    sale = load_scenario(scenario)
    customers = load_population(population or sale.population, [product.title for product in sale.products])
    if out is not None and out.exists() and not overwrite:
        raise FileExistsError(f"{out} is there already: give another file, or pass --overwrite.")

    from rich.console import Console

    from flashsale_env.encoders.text.explain import to_terminal
    from flashsale_env.experiments.explain import explain_message, strongest, write_html

    found = explain_message(message, intent, encoder, sale, customers)
    if out is not None:
        write_html(out, found.explanation)
    if as_json:
        _print_json(found.as_json())
        return
    Console(highlight=False, soft_wrap=True).print(to_terminal(found.explanation))
    if found.in_scope is False:
        notice("the encoder takes this message for none of the nine intents.")
    show_table(
        f"tastes that follow, beside {len(customers):,} customers",
        ("taste", "unit", "this message", "their mean", "share below it"),
        [
            (row.taste, row.unit, f"{row.value:.2f}", f"{row.average:.2f}", f"{row.share_below:.0%}")
            for row in strongest(found.tastes)
        ],
        text_columns=2,
    )
    if out is not None:
        notice(f"the coloured message is in {out}")


@app.command()
@_stops_on_interrupt("{out} is untouched or incomplete; run the command again.")
def calibrate(
    context: typer.Context,
    records: Annotated[
        str, typer.Argument(metavar="TRANSACTIONS", help="CSV or Parquet file, or complete-journey (worked example).")
    ],
    out: Out,
    kind: Annotated[str, typer.Option(help="transactions or choices.")] = "transactions",
    columns: Annotated[
        list[str] | None, typer.Option("--column", metavar="OURS=THEIRS", help="A column that is called otherwise.")
    ] = None,
    categories: Annotated[
        list[str] | None, typer.Option("--category", help="Whose products make the scenario [default: the largest].")
    ] = None,
    products: Annotated[int, typer.Option(min=1, max=MOST_OF_IT, help="Products in the scenario.")] = 8,
    levels: Annotated[int, typer.Option(min=2, max=MOST_OF_IT, help="Prices a product, at most.")] = 8,
    by_store: Annotated[bool, typer.Option("--by-store", help="Estimate from weeks of single stores.")] = False,
    cost_share: Annotated[float, typer.Option(help="Assumed: unit cost over the mean price paid.")] = 0.70,
    weeks: Annotated[float, typer.Option(help="Assumed: ordinary weeks whose visitors come to the sale.")] = 1.0,
    sale_hours: Annotated[float, typer.Option(help="Assumed: length of the sale.")] = 24.0,
    ticks: Annotated[int, typer.Option(min=1, max=MOST_OF_IT, help="Decision periods in it.")] = 48,
    encoding: Annotated[str, typer.Option(help="Character encoding of a CSV file.")] = "utf-8",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Make a scenario from a shop's own sales records: elasticities, prices, stock and traffic from the data."""
    from flashsale_env.experiments.calibrate import Assumptions
    from flashsale_env.experiments.calibrate import calibrate as estimate

    renamed = dict(_pair(word) for word in columns or ())
    assumptions = Assumptions(cost_share=cost_share, weeks=weeks, sale_hours=sale_hours, ticks=ticks)
    run = Run(
        out,
        context.obj,
        options={
            "records": records,
            "kind": kind,
            "columns": renamed,
            "categories": list(categories or ()),
            "products": products,
            "levels": levels,
            "by_store": by_store,
            "encoding": encoding,
            **dataclasses.asdict(assumptions),
        },
        inputs=[Path(records)] if Path(records).exists() else [],
    )
    with run.claimed(overwrite=overwrite):
        found = estimate(
            records,
            kind=kind,
            columns=renamed,
            encoding=encoding,
            categories=categories or (),
            products=products,
            price_levels=levels,
            by_store=by_store,
            assumptions=assumptions,
            command=context.obj,
        )
        run.begin()
        path = found.save(out)
        run.finish()
    if as_json:
        _print_json({"out": str(out), **found.card})
        return
    validation, elasticity = found.card["validation"], found.card["elasticity"]
    show_table(
        f"rows of {records}",
        ("rows", "number"),
        [("read", f"{validation['rows_read']:,}"), ("used", f"{validation['rows_used']:,}")]
        + [(f"dropped: {reason}", f"{count:,}") for reason, count in validation["dropped"].items() if count],
    )
    chosen = {product["category"] for product in found.card["products"]}
    show_table(
        "own-price elasticity, 95 % interval",
        ("category", "elasticity", "interval", "products"),
        [
            (name, f"{row['estimate']:.2f}", f"{row['low']:.2f} .. {row['high']:.2f}", f"{row['products']:,}")
            for name, row in [("(overall)", elasticity["overall"])]
            + [(name, row) for name, row in elasticity["categories"].items() if name in chosen]
        ],
    )
    if found.card["notice"]:
        notice(found.card["notice"])
    notice(f"scenario in {path}; next: flashsale evaluate random --scenario {path}")


def _pair(word: str) -> tuple[str, str]:
    ours, equals, theirs = word.partition("=")
    if not equals or not ours or not theirs:
        raise ValueError(f"--column wants OURS=THEIRS, e.g. --column price=paid, got {word!r}.")
    return ours, theirs


@app.command()
@_stops_on_interrupt("{out} keeps the last checkpoint: run the same command again to go on.")
def train(
    context: typer.Context,
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="Name or TOML file.")],
    out: Out,
    agent: Annotated[str, typer.Option(help="A learner, see `flashsale list`.")] = "ppo",
    population: PopulationOption = None,
    seed: Seed = 0,
    sales: TrainingSales = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the learner, e.g. --set actions=discrete."),
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Figures of the training for `tensorboard --logdir DIR`.",
            callback=_checked(_check_tensorboard),
        ),
    ] = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Train a learner; an interrupted training goes on when the same command is run again."""
    from flashsale_env import load_population, load_scenario

    sale = load_scenario(scenario)
    customers = load_population(population or sale.population, [product.title for product in sale.products])

    from flashsale_env import agents
    from flashsale_env.experiments.settings import parse_assignments
    from flashsale_env.experiments.train import begin_or_continue, check_learner, with_fingerprints
    from flashsale_env.experiments.train import train as learn

    check_learner(agent, tensorboard=tensorboard is not None)
    settings = parse_assignments(assignments or (), "learning_rate=0.001")
    for name in settings.keys() & {"name", "scenario", "device", "seed", "sales"}:
        raise ValueError(
            f"--set {name}: {name} has a place of its own on the command line, see `flashsale train --help`."
        )
    settings |= {} if sales is None else agents.shorter(agent, sale, sales)
    # A mistake costs nothing yet.
    learner = agents.make(agent, scenario, population=population, device="cpu", seed=seed, **settings)
    if learner.mark:
        notice(_how_to_tune(agent, learner, scenario, population))
    run = Run(
        out,
        context.obj,
        options={
            "scenario": scenario,
            "agent": agent,
            "population": population or sale.population,
            "seed": seed,
            "sales": sales,
            "set": settings,
            "device": device,
        },
        seeds={"training run": seed, "train split": seed, "validation split": 0},
        inputs=[path for path in (scenario, population) if path and Path(path).exists()],
    )
    run = with_fingerprints(run, sale, customers)
    with run.claimed(overwrite=overwrite, resume=True):
        if begin_or_continue(run, overwrite=overwrite):
            notice(f"{out} holds an unfinished training: going on with it")
        with progress_bar(f"training {agent}") as advance:
            curve = learn(
                run,
                scenario,
                customers,
                agent=agent,
                seed=seed,
                device=device,
                settings=settings,
                tensorboard=tensorboard,
                progress=lambda done, total, row: advance(
                    done, total, "" if row is None else f"validation profit {_money(row['profit'])}"
                ),
            )
    best = max(curve, key=lambda row: row["profit"])
    if as_json:
        _print_json({"out": str(out), "agent": agent, "best": best, "curve": curve})
        return
    show_table(
        f"{agent} on {scenario}, validation customers",
        ("policy", "sales played", "mean profit"),
        [
            (name, f"{row['sales']:,}", _money(row["profit"]))
            for name, row in (("first", curve[0]), ("last", curve[-1]), ("best, kept", best))
        ],
    )
    if best["sales"] == 0:
        notice("nothing earned more on validation customers than the policy training started from; try more --sales")
    chosen = f" --population {population}" if population else ""
    notice(f"policy in {out}; next: flashsale evaluate {out} --scenario {scenario}{chosen} --against sell_through")


@app.command()
@_stops_on_interrupt("Agents that were finished are kept.")
def tune(
    context: typer.Context,
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="Name or TOML file.")],
    rules: Annotated[
        list[str] | None,
        typer.Argument(metavar="[AGENT]...", help="Rules, or module:Class [default: all that have parameters]."),
    ] = None,
    population: PopulationOption = None,
    trials: Annotated[
        int,
        typer.Option(
            min=0,
            max=MOST_OF_IT,
            help="Parameter sets tried; 0 measures the values that are kept anew, without search.",
        ),
    ] = 200,
    sales: Annotated[int, typer.Option(min=1, max=MOST_SALES, help="Validation sales that each of them plays.")] = 1024,
    refine: Annotated[bool, typer.Option("--refine", help="Small steps from the values that are kept.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, max=MOST_SEED, help="Of the search.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="File of the values [default: SCENARIO.tuned.json beside it].",
            callback=_checked(check_file),
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find the best parameters of rules on validation sales, keep them beside the scenario, and say what they gain."""
    from flashsale_env import load_population, load_scenario
    from flashsale_env.agents.tuned_values import home, read
    from flashsale_env.experiments.tuning import tunable, tunable_space, tune_and_keep

    sale = load_scenario(scenario)
    load_population(population or sale.population, [product.title for product in sale.products])
    for name in rules or ():
        if not tunable_space(name, sale):
            raise ValueError(f"agent {name!r} has no parameters on scenario {scenario!r}: there is nothing to tune.")
    path = home(scenario) if out is None else out
    assert path is not None
    found = {}
    named = rules or [name for name in tunable(sale) if trials or name in read(path)]
    if not named:
        raise ValueError(f"{path} holds no values to measure anew: give --trials.")
    for name in named:
        with progress_bar(f"tuning {name}") as advance:
            found[name] = tune_and_keep(
                name,
                scenario,
                population,
                trials=trials,
                sales=sales,
                seed=seed,
                refine=refine,
                out=path,
                command=context.obj,
                progress=lambda done, total, best, advance=advance: advance(done, total, f"best profit {best:,.6g}"),
            )
    if as_json:
        _print_json({"out": str(path), "scenario": scenario, "agents": found})
        return
    show_table(
        f"{scenario}, customers {population or sale.population}: mean profit, validation sales no search saw",
        ("agent", "untuned", "tuned", "gain", "95 % interval"),
        [
            (
                name,
                _money(row["untuned_profit"]),
                _money(row["profit"]),
                _money(row["gain"]["mean"], row["profit"]),
                _interval(row["gain"], row["profit"]),
            )
            for name, row in found.items()
        ],
    )
    notice(f"values in {path}; they are used wherever {scenario} is played as it is now")


def _how_to_tune(name: str, player: Any, scenario: str, population: str | None) -> str:
    """What to do about a mark."""
    rule = getattr(getattr(player, "settings", None), "adviser", name)
    among = f" --population {population}" if population else ""
    then = ", then train again" if rule != name else ""
    return f"{name}: {player.mark}; `flashsale tune {scenario} {rule}{among}` finds its best parameters{then}"


@app.command()
@_stops_on_interrupt("Nothing was written.")
def evaluate(
    agent: Annotated[
        str,
        typer.Argument(
            metavar="AGENT",
            help="A name of `flashsale list`, module:Class, the folder of a trained agent, or a zip of "
            "Stable-Baselines3 (trusted code: it holds pickled objects).",
        ),
    ],
    scenario: Annotated[str, typer.Option(help="Name or TOML file.")],
    population: PopulationOption = None,
    against: Annotated[
        str | None, typer.Option(metavar="AGENT", help="Another agent, compared on the same customers.")
    ] = None,
    episodes: Annotated[
        int, typer.Option(min=2, max=MOST_SALES, help="Test sales, the same for every agent.")
    ] = 10_000,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of agents that draw random numbers.")] = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Play test sales with an agent: mean profit with a 95 % interval, and the difference to another agent."""
    from flashsale_env import agents, load_population, load_scenario
    from flashsale_env.experiments.evaluate import difference, figures, find_agent, play_test_sales, trained_elsewhere

    sale = load_scenario(scenario)
    customers = load_population(population or sale.population, [product.title for product in sale.products])
    names = [agent] if against is None else [agent, against]
    players = [find_agent(name, scenario, population=population, device=device, seed=seed) for name in names]
    for name, player in zip(names, players, strict=True):
        learned_on = trained_elsewhere(name, customers)
        if learned_on is not None:
            notice(
                f"{name} was trained among the customers of {learned_on} and now meets those of "
                f"{population or sale.population}: --population {learned_on} evaluates it among its own"
            )
        if getattr(player, "mark", ""):
            notice(_how_to_tune(name, player, scenario, population))
    tables = []
    for name, player in zip(names, players, strict=True):
        with progress_bar(f"playing {name}") as advance:
            tables.append(play_test_sales(player, sale, customers, episodes, advance))
    rows = [
        {**figures(table), "mark": getattr(player, "mark", "")} for table, player in zip(tables, players, strict=True)
    ]
    shown = [agents.labelled(name, player) for name, player in zip(names, players, strict=True)]
    result: dict[str, Any] = {
        "scenario": scenario,
        "population": population or sale.population,
        "episodes": episodes,
        "agent": {"name": agent, **rows[0]},
    }
    if against is not None:
        result |= {"against": {"name": against, **rows[1]}, "difference": difference(*tables)}
    if as_json:
        _print_json(result)
        return
    show_agents(
        f"{episodes:,} test sales of {scenario}, customers {result['population']}", dict(zip(shown, rows, strict=True))
    )
    if against is not None:
        found, scale = result["difference"], rows[0]["mean_profit"]
        show_table(
            "profit on the same customers",
            ("difference", "mean", "95 % interval"),
            [(" - ".join(shown), _money(found["diff"], scale), _interval(found, scale))],
        )
        ratio = found["variance_ratio"]
        if ratio:
            print(
                f"common customers leave {ratio:.2%} of the variance of the difference: {episodes:,} pairs tell as "
                f"much as {episodes / ratio:,.0f} sales of each agent with different customers"
            )


@app.command()
@_stops_on_interrupt("{out} keeps what is finished: run the same command again to go on.")
def benchmark(
    context: typer.Context,
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="Name of a shipped benchmark, or a TOML file.")],
    out: Out,
    engine: Annotated[str, typer.Option(help="serial or ray.")] = "serial",
    workers: Annotated[int, typer.Option(min=1, max=1024, help="Processes side by side, engine serial.")] = 1,
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Train and compare agents on common sales; an interrupted benchmark goes on when the command is run again."""
    from flashsale_env.experiments.benchmark.running import check_engine, fingerprint, run_benchmark
    from flashsale_env.experiments.benchmark.settings import load_benchmark
    from flashsale_env.experiments.pages.run_report import benchmark_table
    from flashsale_env.experiments.train import begin_or_continue

    check_engine(engine, workers, device)
    settings = load_benchmark(config)
    named = [
        name
        for problem in settings.problems
        for name in (problem.scenario, problem.population, *(row.agent for row in problem.agents))
    ]
    asked = settings.as_json()
    training_seeds = asked.pop("training_seeds")
    run = Run(
        out,
        context.obj,
        options={
            "config": config,
            "sha256": fingerprint(settings),
            "training_seeds": training_seeds,
            "settings": asked,
            "device": device,
        },
        seeds={"training runs": training_seeds, "validation split": 0, "test split": 0},
        inputs=[path for path in (config, *named) if path and Path(path).exists()],
    )
    for seed in training_seeds:
        _check_run(seed, f"{config}: training_seeds")
    with run.claimed(overwrite=overwrite, resume=True):
        if begin_or_continue(run, overwrite=overwrite):
            notice(f"{out} holds a part of this benchmark: going on with it")
        with progress_bar("benchmark") as advance:
            result = run_benchmark(run, settings, device=device, engine=engine, workers=workers, progress=advance)
    if as_json:
        _print_json({"out": str(out), **result})
        return
    for problem in result["problems"]:
        table = benchmark_table(problem)
        show_table(table.title, table.columns, table.rows)
        print("\n".join(table.notes))
    notice(f"results in {out}; next: flashsale report {out}")


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a benchmark or of a training.")],
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the tables of a benchmark as Markdown, and write nothing.")
    ] = False,
) -> None:
    """Make one self-contained HTML page of a benchmark or a training."""
    from flashsale_env.experiments.pages.run_report import as_markdown, write_report

    if markdown:
        print(as_markdown(folder))
    else:
        print(write_report(folder))


@app.command()
@_stops_on_interrupt("{out} is not complete: run the command again with --overwrite.")
def sim2real(
    context: typer.Context,
    out: Out,
    scenario: Annotated[str, typer.Option(help="Name or TOML file.")] = "standard",
    log_sizes: Annotated[
        list[int] | None,
        typer.Option("--log-size", min=1, max=MOST_VISITS, help="Visits logged; give it several times, rising."),
    ] = None,
    runs: Annotated[
        int,
        typer.Option(min=1, max=MOST_OF_IT, help="Runs: a log, its demand models and all trainings anew."),
    ] = 5,
    sales: TrainingSales = None,
    episodes: Annotated[int, typer.Option(min=2, max=MOST_SALES, help="Test sales in the reference world.")] = 10_000,
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Train in simulators learned from logs, evaluate in the reference world: what is lost, by size of the log."""
    from flashsale_env import load_population, load_scenario
    from flashsale_env.experiments.studies.sim2real import REFERENCE, Study, run_study

    sale = load_scenario(scenario)
    load_population(REFERENCE, [product.title for product in sale.products])  # the reference world sells them
    sizes = {"log_sizes": tuple(log_sizes)} if log_sizes else {}
    study = Study(seeds=tuple(range(runs)), training_sales=sales, episodes=episodes, **sizes)
    run = Run(
        out,
        context.obj,
        options={"scenario": scenario, **dataclasses.asdict(study), "device": device},
        seeds={"logs and training runs": list(study.seeds), "test split": 0},
        inputs=[Path(scenario)] if Path(scenario).exists() else [],
    )
    with run.claimed(overwrite=overwrite):
        run.begin()
        with progress_bar("from the learned simulator to the reference world") as advance:
            result = run_study(run, sale, study, device, advance)
        run.finish()
    if as_json:
        _print_json({"out": str(out), **result})
        return
    scale = result["rows"][0]["mean_profit"]
    show_table(
        f"mean profit in the reference world, {episodes:,} common test sales, {runs} runs",
        ("trained in", "visits logged", "mean profit", "lost against the reference world", "95 % interval"),
        [
            (
                row["world"],
                "" if row["visits"] is None else f"{row['visits']:,}",
                _money(row["mean_profit"], scale),
                "" if "gap" not in row else f"{_money(row['gap']['mean'], scale)} ({row['gap']['share']:.1%})",
                "" if "gap" not in row else _interval(row["gap"], scale),
            )
            for row in result["rows"]
        ],
    )


@app.command()
@_stops_on_interrupt("Nothing was written.")
def verify(
    anchors: Annotated[
        list[str] | None, typer.Argument(metavar="[ANCHOR]...", help="Which ones [default: all]; see --list.")
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Parameter of the one anchor named, e.g. --set n=20."),
    ] = None,
    sales: Annotated[int, typer.Option(min=1000, max=MOST_SALES, help="Sales simulated for a measurement.")] = 100_000,
    list_anchors: Annotated[bool, typer.Option("--list", help="Show the anchors and their parameters.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
    as_json: Json = False,
) -> int:
    """Hold the simulator to theory: exact value, simulated value, interval, verdict. Exit code 1 if any fails."""
    from flashsale_env.experiments.settings import parse_assignments
    from flashsale_env.experiments.verify.running import FAIL, as_markdown, describe_anchors, run_verification

    if list_anchors:
        rows = describe_anchors()
        if as_json:
            _print_json(rows)
        else:
            columns = ("anchor", "theory", "parameters")
            show_table("anchors", columns, [tuple(row.values())[:3] for row in rows], text_columns=3)
        return DONE
    with progress_bar("verifying") as advance:
        result = run_verification(
            anchors or (), parse_assignments(parameters or (), "n=20"), sales=sales, progress=advance
        )
    if as_json:
        _print_json(result)
    elif markdown:
        print(as_markdown(result))
    else:
        show_table(
            f"simulation against theory, {sales:,} sales a measurement, all together a false alarm once in 100 runs",
            ("anchor", "quantity", "expected", "limit", "simulated", "half-width", "verdict"),
            [
                (
                    row["anchor"],
                    row["quantity"],
                    f"{row['expected']:.6f}",
                    "" if row["limit"] is None else f"{row['limit']:.6g}",
                    f"{row['simulated']:.4f}",
                    f"{row['half_width']:.4f}",
                    row["verdict"],
                )
                for row in result["rows"]
            ],
            text_columns=2,
        )
    return CHECK_FAILED if result["verdict"] == FAIL else DONE


@app.command()
@_stops_on_interrupt("Nothing was written.")
def bench(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[BENCHMARK]...", help="Which ones [default: the simulator's]; or: encoder, device."),
    ] = None,
    repeats: Annotated[
        int, typer.Option(min=1, max=MOST_OF_IT, help="Measurements of which a figure is the median.")
    ] = 5,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for the page README.md and the figures results.json.",
            callback=_checked(check_folder),
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace figures that are in --out.")] = False,
    as_json: Json = False,
) -> None:
    """Measure throughput, beside other packages where they are installed. A quiet machine takes about a minute."""
    from flashsale_env.experiments.bench.running import (
        DEVICE,
        ENCODER,
        check_names,
        check_no_figures,
        run_bench,
        shown,
        write,
    )

    check_names(names or ())
    if out is not None:
        check_no_figures(out, overwrite=overwrite)
    place = contextlib.nullcontext() if out is None else locked(out, context.obj)
    with place, progress_bar("measuring") as advance:
        if names == [ENCODER]:
            from flashsale_env.experiments.bench.encoder import run_encoder_bench

            result = run_encoder_bench(repeats=repeats, progress=advance)
        elif names == [DEVICE]:
            from flashsale_env.experiments.bench.device import run_device_bench

            result = run_device_bench(repeats, advance)
        else:
            result = run_bench(names or None, repeats, advance)
        if out is not None:
            write(result, out)
    if out is not None:
        notice(f"figures in {out}")
    if as_json:
        _print_json(result)
        return
    machine = result["machine"]
    show_table(
        f"throughput on {machine['cpu']}, {machine['cores']} cores, load {machine['load_before']}",
        ("benchmark", "what", "median", "range", "target", "met"),
        [shown(row) for row in result["rows"]],
        text_columns=2,
    )


def show_agents(title: str, rows: dict[str, dict[str, float]]) -> None:
    """The table of agents on standard output, best first."""
    scale = max(abs(row["mean_profit"]) for row in rows.values())
    show_table(
        title,
        ("agent", "mean profit", "95 % interval", "revenue", "sell-through", "fill rate", "lost sales"),
        [
            (
                name,
                _money(row["mean_profit"], scale),
                _interval(row, scale),
                _money(row["revenue"], scale),
                f"{row['sell_through']:.1%}",
                f"{row['fill_rate']:.1%}",
                f"{row['lost_sales']:,.1f}",
            )
            for name, row in sorted(rows.items(), key=lambda item: -item[1]["mean_profit"])
        ],
    )


def _money(value: float, like: float | None = None) -> str:
    """With decimals where the figure, or the one beside which it stands, is small: 9.430, but 40,000.

    >>> _money(9.43), _money(40_000.4), _money(0.7, like=40_000.4)
    ('9.430', '40,000', '1')
    """
    return f"{value:,.0f}" if abs(value if like is None else like) >= 1000 else f"{value:,.3f}"


def _interval(row: dict[str, float], like: float) -> str:
    return f"{_money(row['ci_low'], like)} .. {_money(row['ci_high'], like)}"


def _short(text: str, most: int = 70) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _print_json(content: Any) -> None:
    print(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))
