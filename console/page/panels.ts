import { colourOfProof } from '../../stack/proof-colour.ts';
import { gapsOf } from '../gaps.ts';
import type { ShownEndpoint } from '../view.ts';
import { byId, html, setText, span, time } from './dom.ts';
import type { Store } from './store.ts';

const classOf = { green: 'good', yellow: 'warn', red: 'bad' } as const;

/** Hours left, and what has been lost, per refresher. */
export const drawGlance = (store: Store, now: number): void => {
  const parts = store.all('refreshers').map(({ id, title }) => {
    const tokens = store.all('tokens').filter(({ refresher }) => refresher === id);
    const last = tokens.toSorted((a, b) => a.storedAt - b.storedAt).at(-1);
    const leftMs = (last?.expiresAt ?? 0) - now;
    const expiredMs = gapsOf(tokens, now).reduce((sum, { from, to }) => sum + to - from, 0);
    const left =
      last === undefined ? 'no token on record' : leftMs > 0 ? `${span(leftMs)} left` : `expired ${span(-leftMs)} ago`;
    return html(
      'div',
      { class: 'glance' },
      html('span', { class: 'dim' }, title),
      html('b', { class: leftMs > 0 ? 'good' : 'bad' }, left),
      html(
        'span',
        { class: expiredMs > 0 ? 'bad' : 'dim' },
        expiredMs > 0 ? `expired for ${span(expiredMs)} in all` : 'never expired',
      ),
    );
  });
  const open = store.all('alarms').filter(({ isOpen }) => isOpen);
  if (store.scalars.mode === 'live') {
    const alarms = open.length === 0 ? 'none open' : open.map(({ id }) => id).join(', ');
    parts.push(
      html(
        'div',
        { class: 'glance' },
        html('span', { class: 'dim' }, 'alarms'),
        html('b', { class: open.length === 0 ? 'good' : 'bad' }, alarms),
      ),
    );
    for (const { id, value, at } of store.all('metrics')) {
      parts.push(
        html(
          'div',
          { class: 'glance' },
          html('span', { class: 'dim' }, id),
          html('b', {}, String(Math.round(value))),
          html('span', { class: 'dim' }, `${time(at)} UTC`),
        ),
      );
    }
  }
  byId('glance').replaceChildren(...parts);
  setText(byId('trouble'), store.scalars.trouble);
};

const drawEndpoint = (
  store: Store,
  { id, name, image = '', proof, evidence = '', at, refresher }: ShownEndpoint,
  now: number,
): HTMLElement => {
  const title = store.all('refreshers').find((each) => each.id === refresher)?.title ?? refresher;
  const workers = store.all('workers').filter(({ endpoint }) => endpoint === id);
  const newest = workers.toSorted((a, b) => b.startedAt - a.startedAt);
  const seen =
    proof === undefined
      ? html('p', { class: 'dim' }, 'Nobody proves that it can pull.')
      : html(
          'p',
          {},
          html('b', { class: classOf[colourOfProof(proof.replace(/:.*/, ''))] }, proof),
          ` ${at === undefined ? '' : `${span(now - at)} ago. `}${evidence}`,
        );
  const lines = newest.flatMap((worker) =>
    worker.lines.map(({ at: when, line }) => `${time(when)}  ${worker.id.slice(0, 6)}  ${line}`),
  );
  return html(
    'article',
    {},
    html('h3', {}, `${name === '' ? id : `${name} (${id})`}, kept by ${title}`),
    html('p', { class: 'dim' }, image),
    seen,
    html(
      'p',
      { class: 'dim' },
      newest.length === 0
        ? 'No workers on record.'
        : `Workers: ${newest.map((worker) => `${worker.id.slice(0, 6)} ${worker.status}`).join(', ')}`,
    ),
    ...(lines.length === 0
      ? []
      : [html('pre', { class: 'lines', tabindex: 0, 'aria-label': `Log of the workers of ${id}` }, lines.join('\n'))]),
  );
};

export const drawEndpoints = (store: Store, now: number): void => {
  const endpoints = store.all('endpoints');
  const articles = endpoints.map((endpoint) => drawEndpoint(store, endpoint, now));
  byId('endpoints').replaceChildren(
    ...(articles.length === 0 ? [html('p', { class: 'dim' }, 'None on record.')] : articles),
  );
};

export const drawInbox = (store: Store): void => {
  const mails = store.all('mails').toReversed();
  const articles = mails.map(({ at, subject, text }) =>
    html(
      'article',
      {},
      html('h3', {}, subject),
      html('p', { class: 'dim' }, `${time(at)} UTC`),
      html('pre', { tabindex: 0, 'aria-label': subject }, text),
    ),
  );
  const empty =
    store.scalars.mode === 'live'
      ? 'Alerts go to the topic’s readers; they are not kept.'
      : 'No alert has been sent yet.';
  byId('inbox').replaceChildren(...(articles.length === 0 ? [html('p', { class: 'dim' }, empty)] : articles));
};

/** What went into a state and came out of it. */
export const drawState = (name: string, detail: { readonly input?: unknown; readonly output?: unknown }): void => {
  const show = (label: string, value: unknown): HTMLElement[] => [
    html('h3', {}, label),
    html(
      'pre',
      { tabindex: 0, 'aria-label': `${label} of ${name}` },
      value === undefined ? 'nothing yet' : JSON.stringify(value, undefined, 2),
    ),
  ];
  byId('state').replaceChildren(
    html('p', {}, html('b', {}, name)),
    ...show('Input', detail.input),
    ...show('Output', detail.output),
  );
};
