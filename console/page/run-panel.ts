import type { Drawings, OpenedRun, RunState } from '../view.ts';
import { byId, html, set, setText, showList, span, zoned } from './dom.ts';
import { marks } from './phases.ts';
import { ask } from './session.ts';
import { Workflow } from './workflow.ts';

/** The steps of a run in words, each a state. */
const paths: Record<OpenedRun['machine'], ReadonlyArray<readonly [state: string, word: string]>> = {
  refresh: [
    ['ResolveTargets', 'resolve'],
    ['DiscoverEndpoints', 'discover'],
    ['FetchToken', 'mint'],
    ['VerifyImagePull', 'try'],
    ['UpdateRunpod', 'store'],
    ['VerifyEndpointPull', 'watch'],
    ['WaitForUpstream', 'wait for the next try'],
    ['Report', 'report'],
  ],
  rollout: [
    ['PlanRollout', 'plan'],
    ['ApplyRollout', 'give the new image'],
    ['WatchRollout', 'watch'],
    ['RollBack', 'give the old one back'],
    ['WatchRollBack', 'watch it'],
    ['NotifyRollout', 'tell'],
  ],
  guide: [],
};

const words: Record<RunState['phase'], string> = {
  idle: 'not reached',
  active: 'at work',
  done: 'done',
  retried: 'being retried',
  caught: 'failed',
};

const lengthOf = (ms: number): string =>
  ms < 1000 ? 'under a second' : ms < 60_000 ? `${Math.round(ms / 1000)} s` : span(ms);

interface ReadDetail {
  readonly run: string;
  readonly state: string;
  readonly input?: unknown;
  readonly output?: unknown;
}

/** Steps that most runs do not have: they are shown of those that do. */
const detours: readonly string[] = ['WaitForUpstream'];

/** Nothing is at work in a run that has ended: a state that was entered and not left is the one that it ended in. */
const settled = (run: OpenedRun): OpenedRun => ({
  ...run,
  states: run.states.map((state) =>
    run.endedAt !== undefined && state.phase === 'active' ? { ...state, phase: 'caught' } : state,
  ),
});

/** The chosen run: what it came to, its path, and the states of its machine. */
export class RunPanel {
  readonly #graphs: Partial<Record<OpenedRun['machine'], Workflow>> = {};
  readonly #drawings: Drawings;
  #opened: OpenedRun | undefined;
  #chosen = '';
  #shown = '';
  #graphOf = '';

  constructor(drawings: Drawings) {
    this.#drawings = drawings;
    byId('graph-box').addEventListener('toggle', () => {
      this.#drawGraph();
      this.#showPlace();
    });
  }

  readonly #choose = (state: string): void => {
    this.#chosen = state;
    this.#drawPath();
    this.#drawGraph();
    void this.showState();
  };

  /** @param run the name; @returns whether it is on record */
  async open(run: string, now: number): Promise<boolean> {
    const answer = await ask(`runs/${encodeURIComponent(run)}`);
    if (!answer.ok) {
      this.#opened = undefined;
      setText(byId('run-heading'), `Run ${run}`);
      this.#drawPath();
      this.#drawGraph();
      this.#forgetState();
      showList(
        byId('run-facts'),
        [await answer.text()],
        () => 'facts',
        (each) => each,
        (each) => html('p', { class: 'dim' }, each),
      );
      return false;
    }
    const before = this.#opened?.machine;
    this.#opened = settled((await answer.json()) as OpenedRun);
    if (before !== undefined && before !== this.#opened.machine) this.#forgetState();
    this.#drawFacts(this.#opened, now);
    this.#drawPath();
    this.#drawGraph();
    await this.showState();
    return true;
  }

  /** A state of one machine is none of another's. */
  #forgetState(): void {
    [this.#chosen, this.#shown] = ['', ''];
    byId('state').replaceChildren();
  }

  /** Scrolls the picture to where the run is, where it is wider than the page. */
  #showPlace(): void {
    const graph = byId('graph');
    const node = ['.node[aria-pressed="true"]', '.node.active:not(.group)', '.node.done']
      .map((each) => graph.querySelector(each))
      .find((each) => each !== null);
    if (node === undefined || node === null) return;
    const [outer, inner] = [graph.getBoundingClientRect(), node.getBoundingClientRect()];
    graph.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
  }

  #drawFacts(run: OpenedRun, now: number): void {
    setText(byId('run-heading'), run.machine === 'rollout' ? `Rollout ${run.run}` : `Run ${run.run}`);
    const { trigger, status, startedAt, endedAt = now, error, cause, link, states } = run;
    const failures = states.reduce((sum, each) => sum + each.failures, 0);
    const colour = status === 'SUCCEEDED' ? 'good' : status === 'RUNNING' ? '' : 'bad';
    const facts = [
      html('b', { class: colour }, status.toLowerCase().replaceAll('_', ' ')),
      `${trigger === '' ? '' : `, by ${trigger}`}, began ${zoned(startedAt, now)}, ${run.endedAt === undefined ? 'runs for' : 'took'} ${lengthOf(endedAt - startedAt)}${failures > 0 ? `, ${failures} failed tries` : ''}. `,
      ...(link === undefined
        ? []
        : [html('a', { href: link, target: '_blank', rel: 'noreferrer' }, 'The execution at AWS'), ' ']),
      ...(error === undefined || run.machine === 'guide'
        ? []
        : [html('a', { href: `/runbook#${error.toLowerCase()}`, target: '_blank' }, `Runbook: ${error}`)]),
    ];
    const why = cause ?? error;
    const signature = JSON.stringify([run.run, status, link, error, why, failures, lengthOf(endedAt - startedAt)]);
    showList(
      byId('run-facts'),
      [signature],
      () => 'facts',
      (each) => each,
      () =>
        html('div', {}, html('p', {}, ...facts), ...(why === undefined ? [] : [html('p', { class: 'bad why' }, why)])),
    );
  }

  #drawPath(): void {
    const { run: run_ = '', machine = 'guide', states: reached = [] } = this.#opened ?? {};
    const states = new Map(reached.map((state) => [state.id, state]));
    const steps = paths[machine]
      .filter(([id]) => states.has(id) || !detours.includes(id))
      .map(([id, word]) => ({ id, word, state: states.get(id) }));
    const chosen = this.#chosen;
    showList(
      byId('path'),
      steps,
      ({ id }) => id,
      (step) => JSON.stringify([step, run_, chosen === step.id]),
      ({ id, word, state }) => {
        const { phase = 'idle', visits = 0, failures = 0, error, enteredAt = 0, leftAt = enteredAt } = state ?? {};
        // What took less than a second is not worth the words.
        const length = leftAt - enteredAt < 1000 ? '' : `, ${lengthOf(leftAt - enteredAt)}`;
        const times = visits > 1 ? `, ${visits} times` : '';
        const tried = failures > 0 ? `${failures}× ${error ?? 'failed'}` : '';
        const button = html(
          'button',
          { type: 'button', class: `step ${phase}`, 'data-state': id, 'aria-pressed': String(id === chosen) },
          html('span', { 'aria-hidden': 'true' }, `${marks[phase]} `),
          word,
          html('small', {}, ` ${words[phase]}${times}${length}`),
          ...(tried === '' ? [] : [html('small', { class: 'bad' }, ` ${tried}`)]),
        );
        button.addEventListener('click', () => this.#choose(id));
        return html('li', {}, button);
      },
    );
  }

  #drawGraph(): void {
    const run = this.#opened;
    const box = byId('graph-box') as HTMLDetailsElement;
    set(box, { hidden: run === undefined || run.machine === 'guide' });
    if (run === undefined || run.machine === 'guide' || !box.open) return;
    const graph = this.#graphs[run.machine] ?? new Workflow(this.#drawings[run.machine], this.#choose);
    this.#graphs[run.machine] = graph;
    if (this.#graphOf !== run.machine) byId('graph').replaceChildren(graph.element);
    this.#graphOf = run.machine;
    graph.draw(run.states, this.#chosen);
  }

  /** What went into the chosen state of this run and came out of it. */
  async showState(): Promise<void> {
    const [run, state] = [this.#opened, this.#chosen];
    if (run === undefined || state === '') return;
    const answer = await ask(`runs/${encodeURIComponent(run.run)}/states/${encodeURIComponent(state)}`);
    if (!answer.ok || run !== this.#opened || state !== this.#chosen) return;
    const text = await answer.text();
    if (text === this.#shown) return;
    this.#shown = text;
    const detail = JSON.parse(text) as ReadDetail;
    const nothing = run.endedAt === undefined ? 'nothing yet' : 'nothing';
    const show = (label: string, value: unknown): HTMLElement[] => [
      html('h4', {}, label),
      html(
        'pre',
        { tabindex: 0, 'aria-label': `${label} of ${state}` },
        value === undefined ? nothing : JSON.stringify(value, undefined, 2),
      ),
    ];
    byId('state').replaceChildren(
      html('h3', {}, `${detail.state} in ${detail.run}`),
      ...show('Input', detail.input),
      ...show('Output', detail.output),
    );
  }
}
