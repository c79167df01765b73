import { gapsOf, shownMs } from '../gaps.ts';
import type { ShownRefresher, ShownRollout, ShownRun } from '../view.ts';
import { html, set, span, svg, time, zoned } from './dom.ts';
import type { Store } from './store.ts';

const hourMs = 3_600_000;
const height = 46;
const aheadMs = 13 * hourMs;
/** On a narrow screen a lane ends at now, and begins so long before it. */
const narrowPx = 520;
const narrowMs = 36 * hourMs;
const leastMs = 24 * hourMs;

/** The span of time that lanes show, and where a moment lies in it. */
export interface Scale {
  readonly from: number;
  readonly to: number;
  readonly width: number;
  readonly x: (at: number) => number;
}

export const scaleOf = (width: number, first: number, now: number): Scale => {
  const isNarrow = width < narrowPx;
  const backMs = isNarrow ? narrowMs : Math.min(shownMs, Math.max(leastMs, now - first));
  const [from, to] = [now - backMs, now + (isNarrow ? aheadMs / 2 : aheadMs)];
  const x = (at: number): number =>
    Math.round(((Math.min(Math.max(at, from), to) - from) / (to - from)) * width * 10) / 10;
  return { from, to, width, x };
};

const disc = (x: number, y: number): string => `M${x + 5} ${y}a5 5 0 1 1-10 0a5 5 0 1 1 10 0`;
/** By their places: a browser paints a thousand shapes faster than a thousand transforms. */
const shapes = {
  good: disc,
  running: disc,
  failed: (x: number, y: number): string => `M${x - 5} ${y - 5}l10 10m0-10l-10 10`,
  push: (x: number, y: number): string => `M${x} ${y - 4}l4 7h-8z`,
};

const lengthOf = (from: number, to: number): string =>
  to - from < 60_000 ? `${Math.max(0, Math.round((to - from) / 1000))} s` : span(to - from);

/** What is said of a run where it is pointed at. */
const describeRun = ({ run, trigger, status, startedAt, endedAt, error, step }: ShownRun, now: number): string =>
  [
    `${run}${trigger === '' ? '' : `, by ${trigger}`}: ${status.toLowerCase().replaceAll('_', ' ')}`,
    `${zoned(startedAt, now)}, ${lengthOf(startedAt, endedAt ?? now)}`,
    ...(error === undefined ? [] : [error]),
    ...(step === undefined ? [] : [`at ${step}`]),
  ].join('\n');

const shortImage = (image: string): string =>
  /sha256:([0-9a-f]{7})/.exec(image)?.[1] ?? image.split('/').at(-1) ?? image;

/** What became of the way back; nothing where it was given back, and all is well or not known. */
const backWords: Readonly<Record<string, string>> = {
  'under way': ', being given back',
  'not ours': ', replaced by hand before it was given back',
  broken: ', given back, which does not start either',
};

/** How a rollout went, in a line. */
const describeRollout = (
  { endpoint, image, earlier = '', verdict, why, back, startedAt }: ShownRollout,
  now: number,
): string =>
  [
    `${endpoint}: ${earlier === '' ? '' : `${shortImage(earlier)} → `}${shortImage(image)}${back === undefined ? '' : (backWords[back] ?? ', given back')}`,
    `${zoned(startedAt, now)}, ${verdict ?? 'under way'}`,
    ...(why === undefined ? [] : [why]),
  ].join('\n');

/** Shows a text beside what it is about. */
export interface Tip {
  show(element: Element, text: string): void;
  hide(): void;
}

/** One row's time: its tokens, outages, runs, rollouts and pushes. Elements are kept and moved, not made anew. */
export class Lane {
  readonly element = html('div', { class: 'lane' });
  readonly #svg = svg('svg', { height, role: 'group', preserveAspectRatio: 'none' });
  readonly #elements = new Map<string, SVGElement>();
  readonly #texts = new WeakMap<EventTarget, string>();
  readonly #open: (run: string) => void;
  #used = new Set<string>();
  #order: string[] = [];

  constructor(tip: Tip, open: (run: string) => void) {
    this.#open = open;
    this.element.append(html('div', {}, this.#svg));
    this.#svg.addEventListener('keydown', (event) => this.#move(event));
    // Once for the lane: listeners of each run's own would be most of what drawing a lane costs.
    const show = ({ target }: Event): void => {
      const text = target === null ? undefined : this.#texts.get(target);
      if (target instanceof Element && text !== undefined) tip.show(target, text);
    };
    for (const type of ['pointerover', 'focusin']) this.#svg.addEventListener(type, show);
    for (const type of ['pointerout', 'focusout']) this.#svg.addEventListener(type, () => tip.hide());
    this.#svg.addEventListener('click', ({ target }) => {
      if (target instanceof Element) open(target.getAttribute('data-run') ?? '');
    });
  }

  #place(
    key: string,
    name: 'rect' | 'path' | 'line' | 'text',
    attributes: Readonly<Record<string, string | number>>,
    text?: string,
  ): SVGElement {
    let element = this.#elements.get(key);
    if (element === undefined) {
      element = svg(name);
      this.#elements.set(key, element);
      this.#svg.append(element);
    }
    set(element, attributes);
    if (text !== undefined && element.textContent !== text) element.textContent = text;
    this.#used.add(key);
    return element;
  }

  /** Something that can be pointed at, reached by arrow keys and opened. */
  #point(
    key: string,
    run: string,
    name: 'rect' | 'path',
    attributes: Readonly<Record<string, string | number>>,
    text: string,
  ): void {
    const isNew = !this.#elements.has(key);
    const label = text.replaceAll('\n', '; ');
    const element = this.#place(key, name, { ...attributes, role: 'button', 'aria-label': label, 'data-run': run });
    this.#texts.set(element, text);
    this.#order.push(key);
    if (isNew) set(element, { tabindex: -1 });
  }

  #move(event: KeyboardEvent): void {
    const at = this.#order.findIndex((key) => this.#elements.get(key) === document.activeElement);
    if (at < 0) return;
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      this.#open(document.activeElement?.getAttribute('data-run') ?? '');
      return;
    }
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: this.#order.length - 1 }[event.key];
    const element = to === undefined ? undefined : this.#elements.get(this.#order[to] ?? '');
    if (element === undefined) return;
    event.preventDefault();
    for (const key of this.#order) set(this.#elements.get(key) ?? element, { tabindex: -1 });
    set(element, { tabindex: 0 });
    element.focus();
  }

  draw(
    store: Store,
    { id, title }: ShownRefresher,
    isOurs: boolean,
    now: number,
    chosen: string,
    { from, width, x }: Scale,
  ): void {
    this.#used = new Set();
    this.#order = [];
    set(this.#svg, {
      width,
      viewBox: `0 0 ${width} ${height}`,
      'aria-label': `Runs of ${title}; arrow keys go from one to the next`,
    });
    for (const { id: key, from: begin, to: end = now } of store.all('outages')) {
      if (end < from) continue;
      this.#place(`outage ${key}`, 'rect', {
        class: 't-outage',
        x: x(begin),
        y: 0,
        width: Math.max(2, x(end) - x(begin)),
        height,
      });
    }
    const own = store.of('tokens', id).toSorted((a, b) => a.storedAt - b.storedAt);
    for (const [order, { id: key, storedAt, expiresAt }] of own.entries()) {
      if (expiresAt < from) continue;
      const isOver = own[order + 1] !== undefined;
      const row = Math.floor(storedAt / (5 * hourMs)) % 2;
      const shape = {
        x: x(storedAt),
        y: 3 + row * 8,
        width: Math.max(1, x(expiresAt) - x(storedAt)),
        height: 7,
        rx: 2,
      };
      this.#place(`token ${key}`, 'rect', { class: isOver ? 't-token over' : 't-token', ...shape });
    }
    for (const gap of gapsOf(own, now)) {
      if (gap.to < from) continue;
      this.#place(`gap ${gap.from}`, 'rect', {
        class: 't-gap',
        x: x(gap.from),
        y: 3,
        width: Math.max(2, x(gap.to) - x(gap.from)),
        height: 15,
      });
    }
    if (isOurs) {
      for (const { id: key, at } of store.all('marks'))
        if (at >= from)
          this.#place(`push ${key}`, 'path', {
            class: 't-push',
            d: shapes.push(x(at), 25),
          });
    }
    const points: Array<{ readonly at: number; readonly draw: () => void }> = [];
    for (const rollout of store.of('rollouts', id)) {
      const end = rollout.endedAt ?? now;
      if (end < from) continue;
      const isBack = rollout.back !== undefined && rollout.back !== 'not ours';
      const isChosen = rollout.run === chosen ? ' chosen' : '';
      const shape = {
        x: x(rollout.startedAt),
        y: 20,
        width: Math.max(8, x(end) - x(rollout.startedAt)),
        height: 9,
        rx: 4,
      };
      points.push({
        at: rollout.startedAt,
        draw: () => {
          this.#point(
            `rollout ${rollout.id}`,
            rollout.run,
            'rect',
            { class: `t-rollout${isBack ? ' back' : ''}${isChosen}`, ...shape },
            describeRollout(rollout, now),
          );
          if (isBack)
            this.#place(`back ${rollout.id}`, 'text', { class: 't-text', x: shape.x + shape.width + 3, y: 30 }, '↩');
        },
      });
    }
    for (const run of store.of('runs', id)) {
      if ((run.endedAt ?? now) < from) continue;
      const kind = run.status === 'SUCCEEDED' ? 'good' : run.status === 'RUNNING' ? 'running' : 'failed';
      const isChosen = run.run === chosen ? ' chosen' : '';
      points.push({
        at: run.startedAt,
        draw: () => {
          const [begin, end] = [x(run.startedAt), x(run.endedAt ?? now)];
          if (end - begin > 3)
            this.#place(`length ${run.id}`, 'rect', {
              class: `t-length ${kind}`,
              x: begin,
              y: 36.5,
              width: end - begin,
              height: 3,
            });
          this.#point(
            `run ${run.id}`,
            run.run,
            'path',
            { class: `t-run ${kind}${isChosen}`, d: shapes[kind](end, 38) },
            describeRun(run, now),
          );
        },
      });
    }
    for (const { draw } of points.toSorted((a, b) => a.at - b.at)) draw();
    this.#place('now', 'line', { class: 't-now', x1: x(now), x2: x(now), y1: 0, y2: height });
    const isReached = this.#order.some((key) => this.#elements.get(key)?.getAttribute('tabindex') === '0');
    const last = this.#elements.get(this.#order.at(-1) ?? '');
    if (!isReached && last !== undefined) set(last, { tabindex: 0 });
    for (const [key, element] of this.#elements) {
      if (this.#used.has(key)) continue;
      element.remove();
      this.#elements.delete(key);
    }
  }
}

/** Days and hours above the lanes, and what outages there were. */
export const drawAxis = (parent: HTMLElement, store: Store, now: number, { from, to, width, x }: Scale): void => {
  const stepHours = [6, 12, 24, 48].find((hours) => ((hours * hourMs) / (to - from)) * width >= 72) ?? 48;
  const ticks: SVGElement[] = [];
  for (let at = Math.ceil(from / (stepHours * hourMs)) * stepHours * hourMs; at < to; at += stepHours * hourMs) {
    if (x(at) > width - 62) continue;
    ticks.push(
      svg('line', { class: 't-tick', x1: x(at), x2: x(at), y1: 2, y2: 18 }),
      svg('text', { class: 'faint', x: x(at) + 4, y: 14 }, time(at)),
    );
  }
  const outages = store
    .all('outages')
    .filter(({ to: end = now }) => end >= from)
    .map(({ text, from: begin }) => {
      const isLate = x(begin) > width / 2;
      return svg('text', { class: 't-outage-text', x: x(begin), y: 30, 'text-anchor': isLate ? 'end' : 'start' }, text);
    });
  const picture = svg('svg', { width, height: 34, viewBox: `0 0 ${width} 34` }, ...ticks, ...outages.slice(-1));
  parent.replaceChildren(picture);
};
