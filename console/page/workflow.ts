import type { Drawing, RunState } from '../view.ts';
import { set, setText, svg } from './dom.ts';
import { marks } from './phases.ts';

const pathOf = (points: Drawing['edges'][number]['points']): string =>
  points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${x} ${y}`).join(' ');

/** Draws a state machine, and lights its states up as a run goes. */
export class Workflow {
  readonly element: SVGSVGElement;
  readonly #nodes = new Map<string, SVGGElement>();
  readonly #texts = new Map<
    string,
    { readonly title: SVGTitleElement; readonly comment: string; readonly name: SVGTextElement }
  >();

  constructor({ width, height, nodes, edges }: Drawing, choose: (state: string) => void) {
    // Its text is 13 px, and at no width less than 12.
    const root = svg('svg', {
      viewBox: `0 0 ${width} ${height}`,
      width: Math.ceil(width * 0.93),
      height: Math.ceil(height * 0.93),
      role: 'group',
      'aria-label': 'States of the workflow',
    });
    const arrow = svg('marker', {
      id: `arrow-${nodes[0]?.id ?? ''}`,
      viewBox: '0 0 8 8',
      refX: 7,
      refY: 4,
      markerWidth: 7,
      markerHeight: 7,
      orient: 'auto',
    });
    arrow.append(svg('path', { class: 'arrow', d: 'M0 0 8 4 0 8z' }));
    root.append(svg('defs', {}, arrow));
    for (const { kind, points } of edges) {
      root.append(
        svg('path', { class: `edge ${kind}`, d: pathOf(points), 'marker-end': `url(#arrow-${nodes[0]?.id ?? ''})` }),
      );
    }
    for (const { id, type, comment, isGroup, x, y, width: w, height: h } of nodes) {
      const title = svg('title');
      const name = svg('text', {
        x: isGroup ? x + 12 : x + w / 2,
        y: isGroup ? y + 24 : y + h / 2 + 4.5,
        'text-anchor': isGroup ? 'start' : 'middle',
      });
      const node = svg(
        'g',
        {
          class: isGroup ? 'node group' : 'node',
          'data-type': type,
          'data-state': id,
          tabindex: 0,
          role: 'button',
          'aria-pressed': 'false',
        },
        title,
        svg('rect', { x, y, width: w, height: h, rx: 6 }),
        name,
      );
      node.addEventListener('click', (event) => {
        event.stopPropagation();
        choose(id);
      });
      node.addEventListener('keydown', (event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        choose(id);
      });
      this.#nodes.set(id, node);
      this.#texts.set(id, { title, comment, name });
      // A Map lies under the states within it.
      root.append(node);
    }
    this.element = root;
    this.draw([], '');
  }

  draw(reached: readonly RunState[], chosen: string): void {
    const states = new Map(reached.map((state) => [state.id, state]));
    for (const [id, node] of this.#nodes) {
      const { phase = 'idle', visits = 0 } = states.get(id) ?? {};
      const base = node.classList.contains('group') ? 'node group' : 'node';
      const className = phase === 'idle' ? base : `${base} ${phase}`;
      const words = {
        idle: 'not reached',
        active: 'at work',
        done: 'done',
        retried: 'being retried',
        caught: 'failed, and caught',
      }[phase];
      set(node, {
        class: className,
        'aria-pressed': String(id === chosen),
        'aria-label': `${id}, ${words}${visits > 1 ? `, ${visits} times` : ''}`,
      });
      const { title, comment, name } = this.#texts.get(id) ?? {};
      if (title !== undefined) setText(title, comment ?? '');
      // By a shape as well: the colours of done, retried and failed are not told apart by everybody.
      if (name !== undefined) setText(name, phase === 'idle' ? id : `${marks[phase]} ${id}`);
    }
  }
}
