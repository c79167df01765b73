import { lossOf } from '../gaps.ts';
import { colourOfLeft, type Standing, standingOf, standings, worstFirst } from '../standing.ts';
import type { ShownRefresher } from '../view.ts';
import { byId, html, set, setText, showList, span, zoned } from './dom.ts';
import { drawAxis, Lane, type Scale, scaleOf, type Tip } from './lane.ts';
import type { Store } from './store.ts';

/** Each with a shape of its own, for colours are not told apart by everybody. */
const marks: Record<Standing, string> = {
  failed: '✕ failed',
  expired: '■ expired',
  late: '▲ late',
  degraded: '◆ degraded',
  unknown: '? unknown',
  well: '● well',
};
const colours: Record<Standing, string> = {
  failed: 'bad',
  expired: 'bad',
  late: 'warn',
  degraded: 'warn',
  unknown: 'dim',
  well: 'good',
};
const everything = 'all';
/** More rows than this are drawn closer together, so that forty are on two screens. */
const looseRows = 20;
/** Rows so far outside of the window are drawn before they come into it. */
const aheadPx = 200;

/** What lanes were last drawn from. */
interface Picture {
  readonly store: Store;
  readonly now: number;
  readonly scale: Scale;
  /** Less time than that moves nothing by half a pixel. */
  readonly stepMs: number;
}

interface Row {
  readonly id: string;
  readonly element: HTMLLIElement;
  readonly lane: Lane;
  readonly standing: HTMLElement;
  readonly left: HTMLElement;
  readonly why: HTMLElement;
  readonly end: HTMLElement;
  drawnAt: number;
}

/** The targets as rows with their time inline, the worst first. */
export class Rows {
  readonly #rows = new Map<string, Row>();
  readonly #list = byId('rows');
  readonly #axis = byId('axis');
  readonly #filter = byId('filter') as HTMLInputElement;
  readonly #tip: Tip;
  readonly #open: (run: string) => void;
  readonly #redraw: () => void;
  #shown: Standing | typeof everything = everything;
  #width = 0;
  #chosen = '';
  #axisKey = '';
  #picture: Picture | undefined;
  /** Those that are listed, from top to bottom. */
  #listed: readonly Row[] = [];

  constructor(tip: Tip, open: (run: string) => void, redraw: () => void) {
    [this.#tip, this.#open, this.#redraw] = [tip, open, redraw];
    this.#filter.addEventListener('input', redraw);
    addEventListener('scroll', () => this.#drawInSight(), { passive: true });
    new ResizeObserver(([entry]) => {
      this.#width = Math.floor(entry?.contentRect.width ?? 0);
      redraw();
    }).observe(this.#axis);
  }

  #make({ id, title }: ShownRefresher): Row {
    const lane = new Lane(this.#tip, this.#open);
    const [standing, left, why, end] = [html('b'), html('span'), html('span', { class: 'why' }), html('span')];
    const element = html(
      'li',
      { class: 'row', 'data-row': id },
      html('div', { class: 'who' }, html('h3', {}, title), html('p', {}, standing, ' ', left)),
      lane.element,
      html('p', { class: 'end' }, end),
      why,
    );
    return { id, element, lane, standing, left, why, end, drawnAt: 0 };
  }

  #drawCounts(standingById: ReadonlyMap<string, Standing>): void {
    const counts = new Map<string, number>();
    for (const standing of standingById.values()) counts.set(standing, (counts.get(standing) ?? 0) + 1);
    const choices = [
      { name: everything, text: `all ${standingById.size}` },
      ...standings.flatMap((name) => (counts.has(name) ? [{ name, text: `${marks[name]} ${counts.get(name)}` }] : [])),
    ];
    const pressed = this.#shown;
    showList(
      byId('counts'),
      choices,
      ({ name }) => name,
      ({ text, name }) => `${text} ${name === pressed}`,
      ({ name, text }) => {
        const button = html('button', { type: 'button', 'aria-pressed': String(name === pressed) }, text);
        button.addEventListener('click', () => {
          this.#shown = standings.find((each) => each === name) ?? everything;
          this.#redraw();
        });
        return button;
      },
    );
  }

  draw(store: Store, now: number, chosen: string): void {
    if (chosen !== this.#chosen) for (const row of this.#rows.values()) row.drawnAt = 0;
    this.#chosen = chosen;
    const all = store.all('refreshers');
    const standingById = new Map(all.map((each) => [each.id, standingOf(each, now)]));
    this.#drawCounts(standingById);
    const words = this.#filter.value.trim().toLowerCase();
    const ours = worstFirst(
      all.filter(({ isOurs }) => isOurs),
      now,
    );
    const shown = [...ours, ...all.filter(({ isOurs }) => !isOurs)].filter(
      ({ id, title }) =>
        (this.#shown === everything || standingById.get(id) === this.#shown) && title.toLowerCase().includes(words),
    );
    this.#list.closest('section')?.classList.toggle('dense', shown.length > looseRows);
    for (const each of all) if (!this.#rows.has(each.id)) this.#rows.set(each.id, this.#make(each));
    showList(
      this.#list,
      shown,
      ({ id }) => id,
      () => '',
      ({ id }) => this.#rows.get(id)?.element ?? html('li'),
    );
    const first = Math.min(
      now,
      ...all.slice(0, 50).flatMap(({ id }) => store.of('tokens', id).map(({ storedAt }) => storedAt)),
    );
    const scale = scaleOf(this.#width, first, now);
    const stepMs = this.#width === 0 ? Number.POSITIVE_INFINITY : ((scale.to - scale.from) / this.#width) * 0.5;
    this.#drawAxis(store, now, scale, stepMs);
    const isSpanNews = store.dirty.has('outages') || store.dirty.has('marks');
    if (isSpanNews) for (const row of this.#rows.values()) row.drawnAt = 0;
    this.#picture = { store, now, scale, stepMs };
    const listed: Row[] = [];
    for (const each of shown) {
      const row = this.#rows.get(each.id);
      if (row === undefined) continue;
      this.#drawWords(row, each, store, standingById.get(each.id) ?? 'unknown', now);
      listed.push(row);
    }
    this.#listed = listed;
    this.#drawInSight();
  }

  /**
   * Draws those that are in the window. They are found by halves: to have each of a thousand rows observed, by an
   * IntersectionObserver or for `content-visibility: auto`, costs a browser half of each frame that is scrolled.
   */
  #drawInSight(): void {
    let [from, to] = [0, this.#listed.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      const bottom = this.#listed[middle]?.element.getBoundingClientRect().bottom ?? 0;
      if (bottom < -aheadPx) from = middle + 1;
      else to = middle;
    }
    const end = this.#listed.findIndex(
      ({ element }, index) => index >= from && element.getBoundingClientRect().top > innerHeight + aheadPx,
    );
    // All are looked at before any is drawn, so that the page is laid out once.
    for (const row of this.#listed.slice(from, end < 0 ? undefined : end)) this.#drawLane(row);
  }

  /** Draws a row's time, where anything in it has changed. */
  #drawLane(row: Row): void {
    if (this.#picture === undefined || this.#width === 0) return;
    const { store, now, scale, stepMs } = this.#picture;
    const refresher = store.get('refreshers', row.id);
    if (refresher === undefined) return;
    if (row.drawnAt !== 0 && !store.dirtyRows.has(row.id) && Math.abs(now - row.drawnAt) < stepMs) return;
    row.drawnAt = now;
    row.lane.draw(store, refresher, refresher.isOurs, now, this.#chosen, scale);
    store.dirtyRows.delete(row.id);
  }

  #drawAxis(store: Store, now: number, scale: Scale, stepMs: number): void {
    const key = `${this.#width} ${Math.floor(now / stepMs)} ${store.all('outages').length}`;
    if (key === this.#axisKey || this.#width === 0) return;
    if (!this.#axisKey.startsWith(`${this.#width} `)) for (const row of this.#rows.values()) row.drawnAt = 0;
    this.#axisKey = key;
    drawAxis(this.#axis, store, now, scale);
  }

  #drawWords(row: Row, { id, endsAt, error }: ShownRefresher, store: Store, standing: Standing, now: number): void {
    setText(row.standing, marks[standing]);
    set(row.standing, { class: colours[standing] });
    const leftMs = (endsAt ?? now) - now;
    const words =
      endsAt === undefined
        ? 'no token on record'
        : leftMs > 0
          ? `${span(leftMs)} left, until ${zoned(endsAt, now)}`
          : `${standing === 'expired' ? '' : 'expired '}${span(-leftMs)} ago, ${zoned(endsAt, now)}`;
    setText(row.left, words);
    set(row.left, { class: endsAt === undefined ? 'dim' : colourOfLeft(leftMs) });
    setText(row.why, error === undefined ? '' : `${error.name}: ${error.message}`);
    const { lostMs, spanMs } = lossOf(store.of('tokens', id), now);
    setText(
      row.end,
      spanMs === 0
        ? 'no token on record'
        : lostMs > 0
          ? `${span(lostMs)} without pulls in ${days(spanMs)}`
          : `never without pulls in the ${days(spanMs)} on record`,
    );
    set(row.end, { class: lostMs > 0 ? 'bad' : 'dim' });
  }
}

const days = (ms: number): string => {
  const hours = Math.round(ms / 3_600_000);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
};
