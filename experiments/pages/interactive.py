"""A figure on a page: the data and layouts that Plotly draws.

Owns    the map from a chart to Plotly's traces, one plot a panel.
Leaves  what is shown to `pictures`; colours of the page, legends, the slider and the width of the screen to
        `assets/page.js`.
"""

from typing import Any

from flashsale_env.experiments.pages.charts import Axis, Chart, Panel, Series

PANEL_HEIGHT = 190  # pixels of a panel of height 1 beside others
_DIGITS = 7  # significant ones: more would only make the page larger


def as_plotly(chart: Chart) -> dict[str, Any]:
    """{"panels": [{"data", "layout"}], "scrub", "xs"} for `assets/page.js`; `xs` are the stops of the slider."""
    alone = len(chart.panels) == 1
    panels = [_panel(panel, chart, alone) for panel in chart.panels]
    for panel in panels[:-1]:
        panel["layout"]["xaxis"]["title"]["shown"] = ""  # the last panel names the axis that all share
    return {"panels": panels, "scrub": chart.scrub, "xs": _short(chart.panels[0].series[0].x) if chart.scrub else []}


def _panel(panel: Panel, chart: Chart, alone: bool) -> dict[str, Any]:
    height = round(chart.size[1] * 88) if alone else round(PANEL_HEIGHT * panel.height)
    layout: dict[str, Any] = {
        "height": max(height, 150),
        "meta": {"narrow": 1.0 if panel.heat or panel.y.labels else 0.85},
        "xaxis": _axis(panel.x, [value for series in panel.series for value in series.x], reverse=False),
        "yaxis": _axis(panel.y, [value for series in panel.series for value in series.y], reverse=bool(panel.heat)),
        "hovermode": "closest" if panel.heat or _has(panel, "point") else "x unified",
        "barmode": "overlay",
        "dragmode": False if chart.scrub else "zoom",
    }
    layout["yaxis"]["title"]["shown"] = ""
    line = {"type": "line", "line": {"width": 1}}
    if panel.zero:
        layout["shapes"] = [{**line, "xref": "x", "yref": "paper", "x0": 0, "x1": 0, "y0": 0, "y1": 1}]
    data = _heat(panel) if panel.heat else [trace for series in panel.series for trace in _traces(series, panel)]
    if panel.diagonal:
        ends = [value for series in panel.series for value in (*series.x, *series.y)]
        low, high = min(ends), max(ends)
        layout["shapes"] = [{**line, "xref": "x", "yref": "y", "x0": low, "x1": high, "y0": low, "y1": high}]
    return {"data": data, "layout": layout}


def _has(panel: Panel, kind: str) -> bool:
    return any(series.kind == kind for series in panel.series)


def _axis(axis: Axis, values: list[float], *, reverse: bool) -> dict[str, Any]:
    """An axis. The page writes the title of y above the plot, where no phone is too narrow for it."""
    title = {"text": axis.title, "shown": axis.title}
    found: dict[str, Any] = {"title": title, "zeroline": False, "fixedrange": bool(axis.labels)}
    if axis.log:
        found |= {"type": "log", "dtick": 1}
    elif axis.labels:
        found |= {"tickmode": "array", "tickvals": list(range(len(axis.labels))), "ticktext": list(axis.labels)}
    else:
        large = max(map(abs, values), default=0.0) >= 1e6
        found["tickformat"] = ".0%" if axis.percent else "~s" if large else ",~g"
    if reverse:
        found["autorange"] = "reversed"
    elif axis.low is not None and axis.high is not None:
        found["range"] = [axis.low, axis.high]
    elif axis.low is not None:
        found["rangemode"] = "tozero"
    return found


def _traces(series: Series, panel: Panel) -> list[dict[str, Any]]:
    named = {"named": not series.thin, "colour": series.colour, "dashed": series.dashed}
    trace: dict[str, Any] = {"name": series.name, "x": _short(series.x), "y": _short(series.y), "meta": named}
    trace |= _told(series, panel)
    drawn = {"color": series.colour, "width": 0.8 if series.thin else 2, "dash": "dash" if series.dashed else "solid"}
    if series.kind == "bar":
        centre = [value + series.width / 2 for value in series.x]
        return [
            {**trace, "type": "bar", "x": _short(centre), "width": series.width, "marker": {"color": series.colour}}
        ]
    trace |= {"type": "scatter", "mode": "lines", "line": drawn}
    if series.kind == "level":
        # As wide as the data; its value is told wherever the mouse is.
        ends = [value for other in panel.series if other.kind != "level" for value in other.x]
        span = sorted(set(ends)) or [0.0, 1.0]
        return [{**trace, "x": _short(span), "y": _short([series.y[0]] * len(span))}]
    if series.kind in ("step", "area"):
        drawn["shape"] = "hv"
        trace["x"] = _short((*series.x, series.x[-1] + series.width))
        trace["y"] = [*trace["y"], trace["y"][-1]]
        if series.told:
            trace["text"] = [*series.told, series.told[-1]]
        if series.kind == "area":
            trace |= {"stackgroup": "one", "fillcolor": series.colour, "line": {**drawn, "width": 0}}
        return [trace]
    if series.kind == "point":
        error = {"error_x" if series.sideways else "error_y": _error(series)} if series.low else {}
        return [{**trace, "mode": "markers", "marker": {"color": series.colour, "size": 8}, **error}]
    if series.thin:
        return [{**trace, "opacity": 0.45, "hoverinfo": "skip"}]
    markers = {"mode": "lines+markers", "marker": {"size": 5, "color": series.colour}}
    return [*_band(series), {**trace, **markers}] if len(series.x) <= 60 else [*_band(series), trace]


def _told(series: Series, panel: Panel) -> dict[str, Any]:
    if series.told:
        return {"text": list(series.told), "hovertemplate": "%{text}"}
    form = ".1%" if panel.y.percent else ",.6~g"
    if series.kind == "point":
        across = f"%{{x:{'.1%' if panel.x.percent else ',.5~g'}}}"
        if series.sideways:
            ends = [f"{low:,.5g} to {high:,.5g}" for low, high in zip(series.low, series.high, strict=True)]
            return {"text": ends, "hovertemplate": f"{across}, 95 %: %{{text}}<extra></extra>"}
        return {"hovertemplate": f"{across}, %{{y:{form}}}<extra>%{{fullData.name}}</extra>"}
    if series.kind == "line" and series.low:
        ends = [f"{low:,.6g} to {high:,.6g}" for low, high in zip(series.low, series.high, strict=True)]
        return {"text": ends, "hovertemplate": f"%{{y:{form}}}, 95 %: %{{text}}"}
    return {"hovertemplate": f"%{{y:{form}}}"}


def _band(series: Series) -> list[dict[str, Any]]:
    """The interval around a line, hidden and shown with it."""
    if not series.low:
        return []
    edge: dict[str, Any] = {"type": "scatter", "mode": "lines", "name": series.name, "x": _short(series.x)}
    edge |= {"hoverinfo": "skip", "line": {"width": 0, "color": series.colour}}
    red, green, blue = (int(series.colour[i : i + 2], 16) for i in (1, 3, 5))
    shade = {"fill": "tonexty", "fillcolor": f"rgba({red},{green},{blue},0.18)"}
    return [{**edge, "y": _short(series.low)}, {**edge, "y": _short(series.high), **shade}]


def _error(series: Series) -> dict[str, Any]:
    along = series.x if series.sideways else series.y
    return {
        "type": "data",
        "symmetric": False,
        "array": _short([high - value for high, value in zip(series.high, along, strict=True)]),
        "arrayminus": _short([value - low for low, value in zip(series.low, along, strict=True)]),
        "color": series.colour,
        "thickness": 1.6,
        "width": 4,
    }


def _heat(panel: Panel) -> list[dict[str, Any]]:
    texts = [[f"{share:.0%}" if share >= 0.005 else "" for share in row] for row in panel.heat]
    told = f"{panel.y.title} %{{customdata[0]}}<br>{panel.x.title} %{{customdata[1]}}<br>%{{z:.1%}}<extra></extra>"
    labels = [[[row, column] for column in panel.x.labels] for row in panel.y.labels]
    look = {"colorscale": [[0, "rgba(47,111,222,0)"], [1, "rgba(47,111,222,1)"]], "zmin": 0, "zmax": 1}
    heat = {"type": "heatmap", "z": [_short(row) for row in panel.heat], "showscale": False, "text": texts, **look}
    return [{**heat, "texttemplate": "%{text}", "hovertemplate": told, "customdata": labels, "name": panel.y.title}]


def _short(values: Any) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in values]
