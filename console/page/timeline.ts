import { gapsOf } from '../gaps.ts';
import { set, span, svg, time } from './dom.ts';
import type { Store } from './store.ts';

const hourMs = 3_600_000;
const laneHeight = 58;
const top = 30;
const labelWidth = 150;
const width = 1200;
const minMs = 48 * hourMs;
const maxMs = 7 * 24 * hourMs;
const aheadMs = 13 * hourMs;

/** Draws tokens, runs, pushes and outages over time. Elements are kept and moved, not made anew. */
export class Timeline {
  readonly #svg = svg('svg', { role: 'img', 'aria-label': 'Timeline' });
  readonly #elements = new Map<string, SVGElement>();
  #used = new Set<string>();

  constructor(parent: HTMLElement) {
    parent.append(this.#svg);
  }

  #place(
    key: string,
    name: 'rect' | 'circle' | 'line' | 'text',
    attributes: Readonly<Record<string, string | number>>,
    text?: string,
  ): void {
    let element = this.#elements.get(key);
    if (element === undefined) {
      element = svg(name);
      this.#elements.set(key, element);
      this.#svg.append(element);
    }
    set(element, attributes);
    if (text !== undefined && element.textContent !== text) element.textContent = text;
    this.#used.add(key);
  }

  draw(store: Store, now: number): void {
    const refreshers = store.all('refreshers');
    const tokens = store.all('tokens');
    const height = top + Math.max(1, refreshers.length) * laneHeight + 8;
    const first = Math.min(now, ...tokens.map(({ storedAt }) => storedAt));
    const from = Math.max(first, now - maxMs);
    const to = Math.max(from + minMs, now + aheadMs);
    const x = (at: number): number =>
      Math.round((labelWidth + ((Math.min(Math.max(at, from), to) - from) / (to - from)) * (width - labelWidth)) * 10) /
      10;
    this.#used = new Set();
    set(this.#svg, { viewBox: `0 0 ${width} ${height}` });

    const stepMs = (to - from > 72 * hourMs ? 24 : 6) * hourMs;
    for (let at = Math.ceil(from / stepMs) * stepMs; at < to; at += stepMs) {
      this.#place(`tick ${at}`, 'line', { class: 't-tick', x1: x(at), x2: x(at), y1: top - 8, y2: height });
      this.#place(`hour ${at}`, 'text', { class: 'faint', x: x(at) + 4, y: top - 12 }, time(at));
    }
    for (const { id, from: begin, to: end = now, text } of store.all('outages')) {
      if (end < from) continue;
      this.#place(`outage ${id}`, 'rect', {
        class: 't-outage',
        x: x(begin),
        y: top - 6,
        width: Math.max(2, x(end) - x(begin)),
        height: height - top,
      });
      this.#place(`outage text ${id}`, 'text', { class: 'faint', x: x(begin) + 4, y: height - 2 }, text);
    }
    for (const [index, { id, title }] of refreshers.entries()) {
      const y = top + index * laneHeight;
      const own = tokens.filter(({ refresher }) => refresher === id).toSorted((a, b) => a.storedAt - b.storedAt);
      this.#place(`label ${id}`, 'text', { x: 0, y: y + 19 }, title);
      for (const [order, { id: key, storedAt, expiresAt }] of own.entries()) {
        if (expiresAt < from) continue;
        const isOver = own[order + 1] !== undefined;
        const shape = {
          x: x(storedAt),
          y: y + 4 + (order % 2) * 10,
          width: Math.max(1, x(expiresAt) - x(storedAt)),
          height: 9,
          rx: 3,
        };
        this.#place(`token ${key}`, 'rect', { class: isOver ? 't-token over' : 't-token', ...shape });
      }
      for (const gap of gapsOf(own, now)) {
        if (gap.to < from) continue;
        this.#place(`gap ${id} ${gap.from}`, 'rect', {
          class: 't-gap',
          x: x(gap.from),
          y: y + 4,
          width: Math.max(1, x(gap.to) - x(gap.from)),
          height: 19,
        });
      }
      for (const run of store.all('runs')) {
        if (run.refresher !== id || run.startedAt < from) continue;
        const className =
          run.status === 'SUCCEEDED' ? 't-run' : run.status === 'RUNNING' ? 't-run running' : 't-run failed';
        const end = run.endedAt ?? now;
        this.#place(`run ${run.id}`, 'rect', {
          class: className,
          x: x(run.startedAt),
          y: y + 29,
          width: Math.max(4, x(end) - x(run.startedAt)),
          height: 12,
          rx: 2,
        });
      }
    }
    for (const { id, at } of store.all('marks')) {
      if (at >= from) this.#place(`push ${id}`, 'circle', { class: 't-push', cx: x(at), cy: top - 2, r: 4 });
    }
    this.#place('now', 'line', { class: 't-now', x1: x(now), x2: x(now), y1: top - 8, y2: height });

    for (const [key, element] of this.#elements) {
      if (this.#used.has(key)) continue;
      element.remove();
      this.#elements.delete(key);
    }
    const summaries = refreshers.map(({ id, title }) => {
      const expired = gapsOf(
        tokens.filter(({ refresher }) => refresher === id),
        now,
      ).reduce((sum, gap) => sum + gap.to - gap.from, 0);
      return `${title}: ${expired === 0 ? 'its token never expired' : `its token was expired for ${span(expired)}`}`;
    });
    set(this.#svg, { 'aria-label': `Timeline from ${time(from)} to ${time(to)} UTC. ${summaries.join('. ')}.` });
  }
}
