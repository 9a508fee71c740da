"""The page of a sale that a person runs: controls, curves, customers, the agent and its reasons, the debrief.

Owns    what is where, the keys, and when a tick is played.
Leaves  the sale to `session`, controls to `decisions`, reasons to `reasons`, texts to `words`.

The page is served on loopback and asks no other machine for anything. Every browser that opens it has its own sale.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from nicegui import ui

from flashsale_env import Population, Scenario
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.formats import money
from flashsale_env.experiments.live.decisions import Control, controls
from flashsale_env.experiments.live.reasons import Explainer, Reasons
from flashsale_env.experiments.live.session import Debrief, Session, Visitor
from flashsale_env.experiments.live.words import TEXTS, decision, intent
from flashsale_env.experiments.watch.alerts import FALSE_ALARMS, Watch

HOST = "127.0.0.1"
Result = TypeVar("Result")
# All sales are played in one thread beside the loop that answers browsers: an agent takes one question at a time.
_worker = ThreadPoolExecutor(1, thread_name_prefix="sales")
SPEEDS = (0.5, 1.0, 2.0, 5.0, 10.0)
_PATIENCE = 120.0  # seconds that a browser is waited for, and waits, on a busy machine
_SHOWN = 8  # customers quoted at a time
_CALIBRATION = 200  # sales of the agent that alerts compare with
_STYLE = """
body { overflow-x: hidden; }
.live { max-width: 78rem; margin: 0 auto; width: 100%; padding: 0 .75rem; box-sizing: border-box; }
.live .two { display: grid; gap: 1rem; width: 100%; grid-template-columns: minmax(0, 1fr); }
@media (min-width: 900px) { .live .two { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); } }
.live h2 { font-size: 1.05rem; font-weight: 600; margin: .2rem 0; line-height: 1.4; }
.live h3 { font-size: .85rem; font-weight: 600; opacity: .75; margin: .4rem 0 0; line-height: 1.4; }
.live .entry { display: grid; grid-template-columns: minmax(0, 9rem) minmax(0, 1fr) 5.2rem; gap: .7rem;
             align-items: center; font-size: .85rem; }
.live .entry > :first-child { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.live .entry > :last-child { text-align: right; font-variant-numeric: tabular-nums; }
.live .quote { font-size: .85rem; border-left: 3px solid #8888; padding-left: .5rem; margin: .3rem 0; }
.live .quote small { opacity: .75; }
.live .controls { max-height: 26rem; overflow-y: auto; overflow-x: hidden; padding: 0 .8rem 0 .2rem; }
.live .note { font-size: .85rem; opacity: .8; }
"""
YOURS, THEIRS = "#2f6fde", "#d97706"


async def aside(function: Callable[..., Result], *arguments: Any) -> Result:
    """The result of a function that takes its time."""
    return await asyncio.get_running_loop().run_in_executor(_worker, function, *arguments)


class SalePage:
    """One browser's page.

    Args:
        session: the sale to begin with.
        name: of the agent.
        explainer: of the agent, shared by all pages.
        watch: alerts beside the agent's sales, shared by all pages.
        number: of the test sale.
        opened: opens the test sale of a number.
    """

    def __init__(
        self,
        session: Session,
        name: str,
        explainer: Explainer,
        watch: Watch,
        number: int,
        opened: Callable[[int], Session],
    ) -> None:
        self.scenario, self.name = session.scenario, name
        self.explainer, self.watch, self.number, self.opened = explainer, watch, number, opened
        scenario = self.scenario
        self.controls = controls(scenario)
        self.language, self.speed, self.playing = "en", 1, False
        self.dark = ui.dark_mode(None)
        self.visitors: deque[Visitor] = deque(maxlen=_SHOWN)
        self.found: Reasons | None = None
        self.busy = self.explaining = False
        self._begin(session)
        self.timer = ui.timer(1.0, self.tick, active=False)
        ui.add_css(_STYLE)
        ui.keyboard(on_key=self._key)
        self.body()

    def _begin(self, session: Session) -> None:
        self.session = session
        self.levels = np.zeros(len(self.controls), np.int64)
        self.debrief: Debrief | None = None
        self.visitors.clear()
        ui.timer(0.1, self.explain, once=True)

    def say(self, key: str, **values: Any) -> str:
        """A text in the person's language."""
        return TEXTS[self.language][key].format(**values)

    # --- what a person does

    def _key(self, event: Any) -> Any:
        """What NiceGUI awaits, where a key starts something that takes its time."""
        if not event.action.keydown or event.action.repeat:
            return None
        doing: dict[str, Callable[[], Any]] = {
            " ": self.toggle,
            "n": self.tick,
            "c": self.copy,
            "+": lambda: self.faster(1),
            "-": lambda: self.faster(-1),
        }
        act = doing.get(str(event.key.name).lower())
        return None if act is None else act()

    def toggle(self) -> None:
        """Play or pause."""
        self.playing = not self.playing and not self.session.over
        self.timer.active = self.playing
        self.buttons.refresh()

    def faster(self, steps: int) -> None:
        """Another speed."""
        self.speed = min(max(self.speed + steps, 0), len(SPEEDS) - 1)
        self.timer.interval = 1.0 / SPEEDS[self.speed]
        self.buttons.refresh()

    def copy(self) -> None:
        """Take over what the agent would do now."""
        self.levels = self.session.translation.box.to_levels(self.session.advice[None])[0]
        self.decisions.refresh()

    def set_level(self, column: int, level: int) -> None:
        """One decision of the next tick."""
        self.levels[column] = level

    def set_prices(self, share: float) -> None:
        """All prices together: 0 is the first level, 1 the last."""
        for control in self.controls:
            if control.decision == "price":
                self.levels[control.column] = round(share * (len(control.levels) - 1))
        self.decisions.refresh()

    async def restart(self) -> None:
        """The same sale for other customers."""
        self.number += 1
        self.playing = self.timer.active = False
        self._begin(await aside(self.opened, self.number))
        self.body.refresh()

    def switch_language(self) -> None:
        """English or Chinese."""
        self.language = "zh" if self.language == "en" else "en"
        self.body.refresh()

    async def tick(self) -> None:
        """Play one tick. Nothing that takes long runs in the loop that answers the browser."""
        if self.busy or self.session.over:
            return
        self.busy = True
        try:
            action = self.session.translation.box.from_levels(self.levels[None])[0]
            self.visitors.extend(await aside(self.session.advance, np.asarray(action, np.float32)))
        finally:
            self.busy = False
        for part in (self.clock, self.customers, self.alerts):
            part.refresh()
        self._draw()
        await self.explain()
        if self.session.over and self.debrief is None:
            self.playing = self.timer.active = False
            self.buttons.refresh()
            self.debrief = await aside(self.session.debrief)
            self.end.refresh()

    async def explain(self) -> None:
        """Take the agent's decision apart; where ticks come faster than that, some are left out."""
        session = self.session
        if self.explaining or session.over:
            return
        self.explaining = True
        try:
            self.found = await aside(self.explainer.explain, session.person.observation[0], session.tick)
        finally:
            self.explaining = False
        self.reasons.refresh()

    # --- what a person sees

    @ui.refreshable_method
    def body(self) -> None:
        """The whole page."""
        with ui.element("main").classes("live"):
            with ui.row().classes("w-full items-center justify-between no-wrap"):
                ui.label(self.say("title")).classes("text-xl font-semibold")
                with ui.row().classes("no-wrap gap-1"):
                    ui.button(self.say("language"), on_click=self.switch_language).props("flat dense no-caps")
                    ui.button(icon="contrast", on_click=self.dark.toggle).props(
                        f'flat dense aria-label="{self.say("dark")}"'
                    )
            ui.label(self.say("subtitle", agent=self.name, scenario=self.scenario.name))
            ui.label(self.say("keys")).classes("note")
            self.clock()
            self.buttons()
            self.end()
            with ui.element("div").classes("two"):
                with ui.element("section"):
                    self._curves()
                with ui.element("section"):
                    ui.html(f"<h2>{self.say('decide')}</h2>", sanitize=False)
                    self.decisions()
                with ui.element("section"):
                    self.reasons()
                with ui.element("section"):
                    self.alerts()
                    self.customers()

    @ui.refreshable_method
    def clock(self) -> None:
        """How far the sale is."""
        minute = self.session.tick * self.scenario.tick_minutes
        ui.label(self.say("clock", minute=minute, minutes=self.scenario.sale_minutes)).classes("font-semibold")
        ui.linear_progress(self.session.tick / self.scenario.horizon_ticks, show_value=False)

    @ui.refreshable_method
    def buttons(self) -> None:
        """Play, one tick, speed."""
        over = self.session.over
        with ui.row().classes("items-center gap-2 my-2"):
            playing = self.playing
            for text, icon, act, enabled in (
                ("pause" if playing else "play", "pause" if playing else "play_arrow", self.toggle, not over),
                ("step", "skip_next", self.tick, not over),
                ("copy", "content_copy", self.copy, not over),
                ("again", "refresh", self.restart, True),
            ):
                button = ui.button(self.say(text), icon=icon, on_click=act).props("no-caps dense outline")
                button.set_enabled(enabled)
            ui.button(icon="remove", on_click=lambda: self.faster(-1)).props('flat dense aria-label="-"')
            ui.label(self.say("per_second", speed=SPEEDS[self.speed])).classes("text-sm")
            ui.button(icon="add", on_click=lambda: self.faster(1)).props('flat dense aria-label="+"')

    @ui.refreshable_method
    def decisions(self) -> None:
        """A slider for every decision."""
        with ui.element("div").classes("controls"):
            prices = [control for control in self.controls if control.decision == "price"]
            if len(prices) > 1:
                with ui.element("div").classes("entry"):
                    ui.label(self.say("all_prices"))
                    slider = ui.slider(min=0.0, max=1.0, step=0.01, value=self._mean_share(prices))
                    slider.on("change", lambda event: self.set_prices(float(event.args)))
                    slider.props(f'aria-label="{self.say("all_prices")}"')
                    ui.label("")
            kind = ""
            for control in self.controls:
                if control.decision != kind:
                    kind = control.decision
                    ui.html(f"<h3>{decision(kind, self.language)}</h3>", sanitize=False)
                self._control(control)

    def _mean_share(self, prices: list[Control]) -> float:
        return float(np.mean([self.levels[price.column] / (len(price.levels) - 1) for price in prices]))

    def _control(self, control: Control) -> None:
        name = control.label or decision(control.decision, self.language)
        with ui.element("div").classes("entry"):
            ui.label(name).tooltip(name)
            slider = ui.slider(min=0, max=len(control.levels) - 1, step=1, value=int(self.levels[control.column]))
            slider.props(f'snap aria-label="{name}"')
            text = ui.label(control.texts[self.levels[control.column]])

            def changed(event: Any, control: Control = control, text: Any = text) -> None:
                self.set_level(control.column, int(event.value))
                text.set_text(control.texts[int(event.value)])

            slider.on_value_change(changed)

    def _curves(self) -> None:
        currency = self.scenario.currency or self.say("currency")
        self.charts = []
        for title in (self.say("profit", currency=currency), self.say("stock")):
            ui.html(f"<h2>{title}</h2>", sanitize=False)
            self.charts.append(ui.echart(self._options()).classes("w-full").style("height: 13rem"))
        self._draw()

    def _options(self) -> dict[str, Any]:
        series = [
            {
                "name": name,
                "type": "line",
                "showSymbol": False,
                "step": "end",
                "data": [],
                "itemStyle": {"color": colour},
            }
            for name, colour in ((self.say("you"), YOURS), (self.name, THEIRS))
        ]
        grey = {"color": "#8a8f98"}
        return {
            "animation": False,
            "grid": {"left": 8, "right": 16, "top": 28, "bottom": 8, "containLabel": True},
            "legend": {"top": 0, "textStyle": grey},
            "tooltip": {"trigger": "axis"},
            "xAxis": {"type": "value", "min": 0, "max": self.scenario.sale_minutes, "axisLabel": grey,
                      "splitLine": {"show": False}},
            "yAxis": {"type": "value", "scale": True, "axisLabel": grey, "splitLine": {"lineStyle": {"opacity": 0.25}}},
            "series": series,
        }  # fmt: skip

    def _draw(self) -> None:
        tick = self.scenario.tick_minutes
        for chart, name in zip(self.charts, ("profit", "stock"), strict=True):
            for series, side in zip(chart.options["series"], (self.session.person, self.session.agent), strict=True):
                series["data"] = [[i * tick, value] for i, value in enumerate(getattr(side, name))]
            chart.update()

    @ui.refreshable_method
    def alerts(self) -> None:
        """What is unusual in the person's sale."""
        ui.html(f"<h2>{self.say('alerts')}</h2>", sanitize=False)
        ui.label(self.say("alerts_note", agent=self.name, share=FALSE_ALARMS)).classes("note")
        found = self.watch.alarms(self.session.course)[0] if self.session.tick else []
        if not found:
            ui.label(self.say("no_alerts"))
        for alarm in found:
            product = self.scenario.titles[alarm.product] if alarm.product >= 0 else ""
            key = f"{alarm.alert}{'+' if alarm.direction > 0 else '-'}"
            ui.label(self.say(key, minute=alarm.tick * self.scenario.tick_minutes, product=product))

    @ui.refreshable_method
    def customers(self) -> None:
        """The last visitors."""
        ui.html(f"<h2>{self.say('messages')}</h2>", sanitize=False)
        if self.scenario.messages is None:
            ui.label(self.say("no_messages")).classes("note")
            return
        ui.label(self.say("messages_note", share=self.scenario.messages.share)).classes("note")
        for visitor in reversed(self.visitors):
            with ui.element("div").classes("quote"):
                ui.label(visitor.text)
                read = f"{intent(visitor.intent, self.language)} {visitor.probability:.0%}"
                bought = f" · {self.say('bought', product=visitor.bought)}" if visitor.bought else ""
                ui.label(read + bought).classes("note")

    @ui.refreshable_method
    def reasons(self) -> None:
        """What the agent would do now in the person's place, and what moves it."""
        ui.html(f"<h2>{self.say('agent', agent=self.name)}</h2>", sanitize=False)
        session = self.session
        if session.over:
            return
        ui.label(self.say("agent_now")).classes("note")
        advice = session.translation.box.to_levels(session.advice[None])[0]
        with ui.element("div").classes("controls").style("max-height: 12rem"):
            for control in self.controls:
                if control.decision == "price" or advice[control.column] != 0:
                    with ui.element("div").classes("entry"):
                        ui.label(control.label or decision(control.decision, self.language))
                        ui.label(decision(control.decision, self.language)).classes("note")
                        ui.label(control.texts[advice[control.column]])
        found = self.found
        if self.explainer.remembers:
            ui.label(self.say("memory")).classes("note")
        if found is None:
            return
        for kind in found.kinds:
            strongest = found.strongest(kind)
            at = found.kinds.index(kind)
            name = self.say("mean_price") if kind == "price" else decision(kind, self.language)
            ui.html(f"<h3>{name}</h3>", sanitize=False)
            if not strongest:
                ui.label(self.say("same")).classes("note")
                continue
            said = (_figure(kind, value[at]) for value in (found.usual, found.decided))
            ui.label(self.say("usual", **dict(zip(("usual", "decided"), said, strict=True)))).classes("note")
            most = max(abs(part) for _, part in strongest)
            for group, part in strongest:
                with ui.element("div").classes("entry"):
                    ui.label(group)
                    ui.linear_progress(abs(part) / most, show_value=False).props(
                        f"color={'blue' if part > 0 else 'orange'}"
                    )
                    ui.label(_figure(kind, part, "+"))

    @ui.refreshable_method
    def end(self) -> None:
        """The debrief."""
        found = self.debrief
        if found is None:
            return
        with ui.card().classes("w-full"):
            ui.html(f"<h2>{self.say('debrief')}</h2>", sanitize=False)
            scale = max(abs(found.person), abs(found.agent))
            sums = [(self.say("you"), found.person), (self.name, found.agent)]
            if found.bound is not None:
                sums.append((self.say("bound"), found.bound))
            with ui.row().classes("gap-8"):
                for name, value in sums:
                    with ui.column().classes("gap-0"):
                        ui.label(name).classes("note")
                        ui.label(money(value, scale)).classes("text-xl font-semibold")
            if found.bound is None:
                ui.label(self.say("no_bound", reason=found.bound_name)).classes("note")
            else:
                ui.label(self.say("debrief_note", bound=found.bound_name)).classes("note")
            ui.html(f"<h3>{self.say('worst')}</h3>", sanitize=False)
            if not found.costs:
                ui.label(self.say("no_cost"))
            for cost in found.costs:
                minute = cost.tick * self.scenario.tick_minutes
                ui.label(self.say("cost", minute=minute, lost=money(cost.lost, scale)))
                for line in self._differing(cost.yours, cost.agents):
                    ui.label(line).classes("note pl-4")

    def _differing(self, yours: npt.NDArray[np.float32], agents: npt.NDArray[np.float32], most: int = 4) -> list[str]:
        """The decisions that differ, the farthest apart first."""
        own, other = self.session.translation.box.to_levels(np.stack([yours, agents]))
        apart = sorted(
            (control for control in self.controls if own[control.column] != other[control.column]),
            key=lambda control: -abs(own[control.column] - other[control.column]) / len(control.levels),
        )
        return [
            self.say(
                "instead",
                control=f"{decision(control.decision, self.language)} {control.label}".strip(),
                yours=control.texts[own[control.column]],
                agents=control.texts[other[control.column]],
            )
            for control in apart[:most]
        ]


def _figure(kind: str, value: float, sign: str = "") -> str:
    if kind in ("price", "coupon", "targeted"):
        return f"{value:{sign}.1%}"
    return f"{value:{sign},.3g}"


def serve(
    scenario: Scenario, population: Population, agent: Any, name: str, *, number: int, port: int, show: bool
) -> None:
    """Serve the page on loopback until Ctrl-C.

    Args:
        scenario, population: of the sale.
        agent: who sells beside the person.
        name: of the agent.
        number: of the test sale to begin with.
        port: of the page.
        show: whether to open a browser.
    """
    explainer, watch = Explainer(agent, scenario, population), Watch.of(agent, scenario, population, sales=_CALIBRATION)

    def opened(number: int) -> Session:
        return Session(scenario, population, agent, int(split_seeds("test", 0, 1, start=number)[0]))

    async def page() -> None:
        SalePage(await aside(opened, number), name, explainer, watch, number, opened)

    ui.page("/", title=f"flashsale: {scenario.name}", response_timeout=_PATIENCE)(page)
    ui.run(
        host=HOST,
        port=port,
        show=show,
        reload=False,
        favicon="🏷️",
        show_welcome_message=False,
        reconnect_timeout=_PATIENCE,
    )
