// Puts the page together: what comes from the server goes into the model at once, and onto the screen once a frame.

import { SILENT_MS, trouble } from "./backoff.js";
import { showBanner } from "./banner.js";
import { Dialogs } from "./dialogs.js";
import { byId, fetchRows, setText } from "./dom.js";
import { Kpi, showTrust } from "./kpi.js";
import { Leaders } from "./leaders.js";
import { Windows } from "./model.js";
import { Loader } from "./loader.js";
import { Search } from "./search.js";
import { POINTS_MAX, RANGES, addUp, change, factorFor, rangeOf, spanWords } from "./series.js";
import { Settings } from "./settings.js";
import { Stream } from "./stream.js";
import { TrendTable } from "./table.js";
import { Trend, trendWords } from "./trend.js";
import { startWall } from "./wall.js";
import { dayOf, fullText, secondText } from "./zone.js";

const TICK_MS = 500;
/** How often anything is drawn at the most: all numbers on the screen are of one epoch, and can be read. */
const DRAW_MS = 400;
/** How often a trend of many windows is drawn at the most. */
const MANY_MS = 1000;
const MANY = 200;
/** How long the chart waits for the first numbers. */
const CHART_WAIT_MS = 1500;

class Page {
  #state = null;
  #board = { byAmount: [], byCount: [] };
  #windows = null;
  #aheadMs = 0;
  #day = { zone: "", start: 0, end: 0 };
  #frame = null;
  #drawnAt = -Infinity;
  #shownAt = 0;
  #chartAsked = false;
  #trendAt = -Infinity;
  #trendKey = "";
  #heardAtMs = null;
  #settings = new Settings((name) => this.#chosen(name));
  #stream = new Stream("api/stream", (kind, data) => this.#take(kind, data));
  #loader = new Loader((url, signal) => fetchRows(url, signal));
  #kpi = new Kpi();
  #leaders = new Leaders();
  #search = new Search();
  #dialogs = new Dialogs(() => ({ zone: this.#settings.zoneName, sinceMs: this.#state?.lateSinceMs ?? this.#now() }));
  #table = new TrendTable();
  #trend = new Trend();

  start() {
    if (this.#settings.wall) startWall();
    this.#stream.open();
    this.#trend.onResize = () => this.#redraw();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#chosen("theme"));
    document.addEventListener("visibilitychange", () => {
      this.#shownAt = performance.now();
      this.#redraw();
    });
    setInterval(() => this.#tick(), TICK_MS);
    setTimeout(() => this.#loadRest(), CHART_WAIT_MS);
  }

  /** What may come after the first numbers: the chart and the list of zones. */
  async #loadRest() {
    if (this.#chartAsked) return;
    this.#chartAsked = true;
    this.#settings.offerZones();
    if (await this.#trend.load("echarts.js")) return;
    byId("trend").hidden = true;
    byId("table-toggle").click();
  }

  /** Now, by the server's clock as it was heard last. The viewer's own may be set at any time: it has no part in this page. */
  #now() {
    return performance.now() + this.#aheadMs;
  }

  #take(kind, data) {
    const { byAmount, byCount, changed, reloadWindows, clock, ...state } = data;
    this.#aheadMs = state.nowMs - performance.now();
    this.#heardAtMs = state.nowMs;
    const another = this.#windows === null || this.#windows.widthMs !== state.widthMs;
    const older = this.#state !== null && state.epoch < this.#state.epoch;
    if (kind === "beat" && older) return;
    if (kind === "snapshot" && (another || older)) this.#windows = new Windows(state.widthMs);
    if (kind === "snapshot") this.#windows.takeClock(clock);
    this.#state = state;
    this.#settings.resultsZone = state.zone;
    if (byAmount) this.#board.byAmount = byAmount;
    if (byCount) this.#board.byCount = byCount;
    if (changed) this.#windows?.takeFrame(changed, state.epoch, this.#now());
    if (reloadWindows) this.#loader.want();
    if (kind === "snapshot")
      this.#loader.load(
        this.#windows,
        state.epoch,
        () => this.#now(),
        () => this.#redraw(),
      );
    this.#schedule();
  }

  #tick() {
    this.#stream.watch();
    if (this.#windows) {
      this.#loader.check(
        this.#windows,
        this.#state,
        () => this.#now(),
        () => this.#redraw(),
      );
    }
    this.#schedule();
  }

  #chosen(name) {
    if (name === "theme") this.#trend.restyle();
    this.#drawnAt = -Infinity;
    this.#redraw();
  }

  #redraw() {
    this.#trendKey = "";
    this.#schedule();
  }

  #schedule() {
    if (this.#frame !== null) return;
    const wait = this.#drawnAt + DRAW_MS - performance.now();
    const draw = () =>
      requestAnimationFrame(() => {
        this.#frame = null;
        this.#drawnAt = performance.now();
        this.#render();
      });
    this.#frame = wait > 0 ? setTimeout(draw, wait) : draw();
  }

  #render() {
    const localNow = performance.now();
    const now = this.#now();
    const zone = this.#settings.zoneName;
    setText(byId("clock"), secondText(now, zone));
    const heardMs = localNow - this.#stream.heardAt;
    // Behind another tab events may wait: on return they have a second to come before anything is said.
    const silentMs = Math.min(heardMs, localNow - this.#shownAt + SILENT_MS - 1000);
    const lostMs = this.#stream.lostAt === null ? null : localNow - this.#stream.lostAt;
    const retryMs = this.#stream.retryAt === null ? null : this.#stream.retryAt - localNow;
    showBanner({
      trouble: trouble({ state: this.#state, heardMs: silentMs, lostMs, asking: this.#stream.asking }),
      heardAtMs: this.#heardAtMs,
      retryMs,
      zone,
    });
    if (!this.#state || !this.#windows) return;
    this.#renderValues({ now, localNow, zone, heardMs });
    if (this.#chartAsked) this.#renderTrend(now, localNow, zone);
    else setTimeout(() => this.#loadRest().then(() => this.#redraw()));
  }

  #renderValues({ now, localNow, zone, heardMs }) {
    const state = this.#state;
    if (zone !== this.#day.zone || now < this.#day.start || now >= this.#day.end)
      this.#day = { zone, ...dayOf(now, zone) };
    const { lastBeginMs } = this.#windows.end(now);
    const day = this.#windows.sum(this.#day.start, this.#day.end);
    const difference = change(this.#windows, { lastBeginMs, nowMs: now });
    this.#kpi.show({ state, day, dayStart: this.#day.start, change: difference, zone, localNow });
    showTrust({
      state,
      heardMs,
      changedMs: state.changedMs === null ? null : now - state.changedMs,
      nowMs: now,
      zone,
    });
    const { by, top, wall } = this.#settings;
    this.#leaders.show(by === "amount" ? this.#board.byAmount : this.#board.byCount, {
      by,
      top: wall ? 10 : Number(top),
      state,
    });
    setText(
      byId("leaders-empty"),
      state.phase === "waiting" ? "Waiting for the table OrderSource." : "No users yet.",
    );
    this.#search.refresh(state.epoch);
    this.#dialogs.refresh(state);
  }

  #renderTrend(now, localNow, zone) {
    const { range } = this.#settings;
    const windows = this.#windows;
    const { lastBeginMs, historic } = windows.end(now);
    const { ahead, aheadMs } = this.#state;
    const key = `${windows.version} ${lastBeginMs} ${zone} ${range} ${ahead} ${aheadMs}`;
    if (key === this.#trendKey) return;
    const rows = rangeOf(windows, { lastBeginMs, rangeMs: RANGES[range].ms, nowMs: now });
    if (this.#trendKey !== "" && rows.length > MANY && localNow - this.#trendAt < MANY_MS) return;
    this.#trendKey = key;
    this.#trendAt = localNow;
    const factor = factorFor(rows.length, Math.min(POINTS_MAX, this.#trend.room));
    const words = `the last ${RANGES[range].words} up to ${fullText(rows.at(-1).endMs, zone)}`;
    this.#trend.show(addUp(rows, factor, windows.widthMs, now), { zone, words });
    this.#table.show(rows, zone, range);
    const newestMs = lastBeginMs;
    const said = trendWords({
      historic,
      state: this.#state,
      nowMs: now,
      factor,
      widthMs: windows.widthMs,
      newestMs,
      zone,
    });
    setText(byId("trend-words"), said);
    byId("trend-words").hidden = said === "";
    setText(byId("width-words"), spanWords(windows.widthMs));
    setText(byId("range-words"), `last ${RANGES[range].words}`);
    byId("windows-csv").href = `api/windows.csv?from=${rows[0].beginMs}&to=${rows.at(-1).endMs}&bom`;
  }
}

new Page().start();
