// The trend as a chart: bars for orders, a line for the amount. The chart library comes after the numbers are there.

import { grouped, toText } from "./decimal.js";
import { byId, mayMove, setAttribute } from "./dom.js";
import { labelStepMs, spanWords } from "./series.js";
import { aheadMs, dayText, dateText, minuteText, secondText } from "./zone.js";

/** Pixels that a bar and a label of the time axis need. */
const BAR_PX = 2.5;
const LABEL_PX = 76;
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const DAY_MS = 86_400_000;
/** No label, of a label's height: the chart's room for labels is measured on any of them. */
const NO_LABEL = " ";

/** The colours of the page as they are now: light, dark, grey. */
function colours() {
  const probe = byId("probe");
  const read = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  return Object.fromEntries(
    ["ink", "quiet", "line", "paper", "raised", "amount", "count", "count-fill", "late"].map((name) => [
      name,
      read(name),
    ]),
  );
}

export class Trend {
  #chart = null;
  #host = byId("trend");
  #points = [];
  #colours = null;
  #firstBegin = null;
  /** Called when the chart has another size, or came to be. */
  onResize = () => {};

  /** Loads the library and makes the chart; says false if it does not come. */
  async load(url) {
    await new Promise((resolve) => {
      const script = document.createElement("script");
      script.src = url;
      script.onload = script.onerror = resolve;
      document.head.append(script);
    });
    if (!globalThis.echarts) return false;
    this.#chart = globalThis.echarts.init(this.#host, null, { renderer: "canvas" });
    new ResizeObserver(() => {
      this.#chart.resize();
      this.onResize();
    }).observe(this.#host);
    this.restyle();
    this.onResize();
    return true;
  }

  /** How many points there is room for. */
  get room() {
    return Math.max(60, Math.floor((this.#host.clientWidth - 120) / BAR_PX));
  }

  /** Takes the colours and sizes anew; the next `show` draws with them. */
  restyle() {
    this.#colours = colours();
    this.#firstBegin = null;
    this.#chart?.clear();
  }

  /** Draws `points`, oldest first, with times of `zone`. */
  show(points, { zone, words }) {
    this.#points = points;
    setAttribute(
      this.#host,
      "aria-label",
      `Chart of orders and amount, ${words}. The same values are in the table that follows.`,
    );
    if (!this.#chart) return;
    const shifted = this.#firstBegin !== points[0].beginMs;
    this.#firstBegin = points[0].beginMs;
    const animation = mayMove() && !shifted && points.length <= 150;
    this.#chart.setOption({ animation, animationDurationUpdate: 250, ...this.#options(points, zone) });
  }

  #options(points, zone) {
    const ink = this.#colours;
    const font = getComputedStyle(document.body).fontFamily;
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const size = rem * 0.78;
    const empty = points.every((point) => point.count === 0 && point.units === 0n);
    const label = { color: ink.quiet, fontSize: size, fontFamily: font };
    return {
      textStyle: { fontFamily: font, fontSize: size },
      grid: { left: rem * 0.25, right: rem * 0.25, top: rem * 0.9, bottom: rem * 0.25, containLabel: true },
      tooltip: {
        trigger: "axis",
        renderMode: "richText",
        confine: true,
        backgroundColor: ink.raised,
        borderColor: ink.line,
        padding: [rem * 0.6, rem * 0.8],
        textStyle: { color: ink.ink, fontSize: rem * 0.85, fontFamily: font, lineHeight: rem * 1.35 },
        axisPointer: { type: "shadow", shadowStyle: { color: ink.quiet, opacity: 0.12 } },
        formatter: (series) => this.#words(this.#points[series[0].dataIndex], zone),
      },
      xAxis: this.#timeAxis(points, zone, label, size),
      yAxis: ["Orders", "Amount"].map((name, at) => ({
        id: name,
        type: "value",
        // Labels that slide past each other cannot be read.
        animation: false,
        minInterval: at ? 0 : 1,
        splitNumber: 4,
        alignTicks: at === 1,
        max: empty ? 4 : null,
        splitLine: { show: at === 0, lineStyle: { color: ink.line, width: 1 } },
        axisLabel: {
          ...label,
          color: at ? ink.amount : ink.count,
          formatter: (value) => COMPACT.format(value).replace("-", "\u2212"),
        },
      })),
      series: this.#series(points, ink, rem),
    };
  }

  #timeAxis(points, zone, label, size) {
    const spanMs = points.at(-1).endMs - points[0].beginMs;
    const labels = timeLabels(
      points,
      zone,
      labelStepMs(spanMs, this.#host.clientWidth / (LABEL_PX * (size / 12.5))),
    );
    const shows = (at) => labels[at] !== NO_LABEL;
    return {
      id: "time",
      type: "category",
      data: labels,
      axisLine: { lineStyle: { color: label.color } },
      axisTick: { alignWithLabel: false, interval: shows, lineStyle: { color: label.color } },
      axisLabel: { ...label, interval: shows, hideOverlap: true },
    };
  }

  #series(points, ink, rem) {
    const closed = points.findIndex((point) => point.open);
    const end = closed < 0 ? points.length : closed;
    const amounts = points.map((point) => Number(toText(point.units)));
    const dots = points.length <= 12;
    const hollow = { color: ink.paper, borderColor: ink.count, borderWidth: 1.5, borderType: [3, 2] };
    return [
      {
        id: "orders",
        name: "Orders",
        type: "bar",
        barCategoryGap: points.length > 150 ? "0%" : "45%",
        barMaxWidth: rem * 3.5,
        data: points.map((point) => (point.open ? { value: point.count, itemStyle: hollow } : point.count)),
        itemStyle: { color: ink["count-fill"] },
        emphasis: { disabled: true },
      },
      {
        id: "amount",
        name: "Amount",
        type: "line",
        yAxisIndex: 1,
        data: amounts.map((amount, at) => (at < end ? amount : null)),
        showSymbol: dots,
        symbol: "circle",
        symbolSize: rem * 0.4,
        lineStyle: { color: ink.amount, width: rem * (points.length > 300 ? 0.1 : 0.14) },
        itemStyle: { color: ink.amount },
        emphasis: { disabled: true },
        z: 3,
      },
      {
        id: "amount-open",
        name: "Amount so far",
        type: "line",
        yAxisIndex: 1,
        data: amounts.map((amount, at) => (at >= end - 1 && end < points.length ? amount : null)),
        symbol: (_, { dataIndex }) => (dataIndex >= end ? "circle" : "none"),
        symbolSize: rem * 0.5,
        lineStyle: { color: ink.amount, width: rem * 0.1, type: [3, 3] },
        itemStyle: { color: ink.paper, borderColor: ink.amount, borderWidth: 2 },
        emphasis: { disabled: true },
        z: 3,
      },
      {
        id: "late",
        name: "Late corrections",
        type: "scatter",
        symbol: "diamond",
        symbolSize: rem * 0.62,
        symbolOffset: [0, -rem * 0.5],
        data: points.map((point) => (point.late ? Math.max(0, point.count) : null)),
        itemStyle: { color: ink.late, borderColor: ink.paper, borderWidth: 1 },
        emphasis: { disabled: true },
        z: 5,
      },
    ];
  }

  #words(point, zone) {
    const sameDay = dateText(point.beginMs, zone);
    const lines = [`${sameDay}, ${secondText(point.beginMs, zone)}\u2013${secondText(point.endMs, zone)}`];
    lines.push(`Orders ${grouped(point.count)}`, `Amount ${grouped(toText(point.units))}`);
    if (point.late) lines.push(`\u25c6 ${grouped(point.late)} late`);
    if (point.open) lines.push("still open");
    return lines.join("\n");
  }
}

/** Labels for the points at which a new step of `stepMs` of the wall clock in `zone` begins; none for all others. */
function timeLabels(points, zone, stepMs) {
  let before = null;
  let ahead = 0;
  let hour = null;
  return points.map(({ beginMs, endMs }) => {
    // A zone's distance to UTC changes on the quarter of an hour at the most often.
    const quarter = Math.floor(beginMs / 900_000);
    if (quarter !== hour) {
      hour = quarter;
      ahead = aheadMs(beginMs, zone);
    }
    const step = Math.floor((beginMs + ahead) / stepMs);
    const starts = before === null ? (beginMs + ahead) % stepMs === 0 : step !== before;
    before = step;
    if (!starts) return NO_LABEL;
    const at = endMs - beginMs < stepMs ? step * stepMs - ahead : beginMs;
    return (at + ahead) % DAY_MS === 0 || stepMs >= DAY_MS ? dayText(at, zone) : minuteText(at, zone);
  });
}

/** How many windows lie after now, and how far. */
function aheadWords({ ahead, aheadIsMore, aheadMs }, nowMs, zone) {
  const sameDay = dateText(aheadMs, zone) === dateText(nowMs, zone);
  const sameYear = dateText(aheadMs, zone).slice(-4) === dateText(nowMs, zone).slice(-4);
  const at = sameDay
    ? `at ${minuteText(aheadMs, zone)}`
    : `on ${sameYear ? dayText(aheadMs, zone) : dateText(aheadMs, zone)}`;
  const more = aheadIsMore ? "More than " : "";
  return ahead === 1 && !aheadIsMore
    ? `1 window lies after now, ${at}.`
    : `${more}${grouped(ahead)} windows lie after now, the farthest ${at}.`;
}

/** What the chart shows, in words for above it. */
export function trendWords({ historic, state, factor, widthMs, newestMs, nowMs, zone }) {
  const said = [];
  if (historic)
    said.push(
      `No order in the last 24 hours: the trend ends at the newest window, ${dateText(newestMs, zone)}.`,
    );
  if (factor > 1)
    said.push(`Each point of the chart adds up ${factor} windows (${spanWords(factor * widthMs)}).`);
  if (state.ahead > 0) said.push(aheadWords(state, nowMs, zone));
  return said.join(" ");
}
