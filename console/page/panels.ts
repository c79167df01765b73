import { colourOfProof } from '../../stack/proof-colour.ts';
import type { ShownEndpoint } from '../view.ts';
import { byId, html, showList, span, time, zoned } from './dom.ts';
import type { Store } from './store.ts';

const classOf = { green: 'good', yellow: 'warn', red: 'bad' } as const;
const markOf = { green: '●', yellow: '◆', red: '✕' } as const;
/** More than these are no reading: the rows' filter leads to fewer. */
const endpointsShown = 150;

const nothing = 'nothing';

/** Says in an empty panel why it is empty. */
const showEmpty = (parent: HTMLElement, why: string): void =>
  showList(
    parent,
    [why],
    () => nothing,
    (each) => each,
    () => html('p', { class: 'dim' }, why),
  );

const ageOf = (at: number | undefined, now: number): string =>
  at === undefined || at === 0 ? '' : `${span(now - at)} ago`;

const rank = ({ proof }: ShownEndpoint): number =>
  proof === undefined ? 3 : { red: 0, yellow: 1, green: 2 }[colourOfProof(proof.replace(/:.*/, ''))];

const showEndpoint = (
  { id, name, image = '', proof, evidence = '', at }: ShownEndpoint,
  title: string,
  workers: readonly string[],
  age: string,
): HTMLElement => {
  const colour = colourOfProof((proof ?? '').replace(/:.*/, ''));
  const seen =
    proof === undefined
      ? html('p', { class: 'dim' }, 'No proof is on record: nobody shows that it can pull.')
      : html(
          'p',
          {},
          html('b', { class: classOf[colour] }, `${markOf[colour]} ${proof}`),
          ` ${at === undefined ? '' : `${age}. `}${evidence}`,
        );
  return html(
    'article',
    {},
    html('h3', {}, `${name === '' ? id : `${name} (${id})`}, kept by ${title}`),
    html('p', { class: 'dim' }, image),
    seen,
    ...(workers.length === 0 ? [] : [html('p', { class: 'dim' }, `Workers: ${workers.join(', ')}`)]),
  );
};

export const drawEndpoints = (store: Store, now: number): void => {
  const all = store.all('endpoints').toSorted((a, b) => rank(a) - rank(b));
  if (all.length === 0) {
    const [failed] = store.all('refreshers').filter(({ error }) => error !== undefined);
    showEmpty(
      byId('endpoints'),
      failed === undefined
        ? 'No run on record has looked at an endpoint yet.'
        : `No proof is on record: the last run of ${failed.title} stored no token (${failed.error?.name}).`,
    );
    return;
  }
  const shown = all.slice(0, endpointsShown).map((endpoint) => ({
    endpoint,
    title: store.get('refreshers', endpoint.refresher)?.title ?? endpoint.refresher,
    workers: store
      .all('workers')
      .flatMap((each) => (each.endpoint === endpoint.id ? [`${each.id.slice(0, 6)} ${each.status}`] : [])),
    age: ageOf(endpoint.at, now),
  }));
  showList(
    byId('endpoints'),
    shown,
    ({ endpoint }) => endpoint.id,
    (each) => JSON.stringify(each),
    ({ endpoint, title, workers, age }) => showEndpoint(endpoint, title, workers, age),
  );
};

export const drawLog = (store: Store): void => {
  const workers = store.all('workers').filter(({ lines }) => lines.length > 0);
  if (workers.length === 0) {
    showEmpty(
      byId('log'),
      store.scalars.mode === 'live'
        ? 'Workers’ logs are read by runs and not kept: the input and output of the step “watch” has the line that counted.'
        : 'No worker has written anything yet.',
    );
    return;
  }
  showList(
    byId('log'),
    workers.toSorted((a, b) => b.startedAt - a.startedAt),
    ({ id }) => id,
    ({ status, lines }) => JSON.stringify([status, lines]),
    ({ id, endpoint, status, lines }) =>
      html(
        'article',
        {},
        html('h3', {}, `Worker ${id.slice(0, 6)} of ${endpoint}, ${status}`),
        html(
          'pre',
          { class: 'lines', tabindex: 0, 'aria-label': `Log of worker ${id}` },
          lines.map(({ at, line }) => `${time(at)}  ${line}`).join('\n'),
        ),
      ),
  );
};

/** The alarms of a deployed stack that are open, each with its page at AWS and its section of the runbook. */
const drawAlarms = (store: Store): void => {
  const open = store.all('alarms').filter(({ isOpen }) => isOpen);
  if (open.length === 0) {
    showEmpty(byId('inbox'), 'No alarm is open. Alerts go to the topic’s readers; they are not kept here.');
    return;
  }
  showList(
    byId('inbox'),
    open,
    ({ id }) => id,
    (each) => JSON.stringify(each),
    ({ id, description, link }) => {
      const section = id.slice(id.lastIndexOf('-') + 1);
      return html(
        'article',
        {},
        html('h3', { class: 'bad' }, `✕ Alarm ${id}`),
        html('p', {}, description),
        html(
          'p',
          {},
          ...(link === undefined
            ? []
            : [html('a', { href: link, target: '_blank', rel: 'noreferrer' }, 'The alarm at AWS'), ' ']),
          html('a', { href: `/runbook#${section.toLowerCase()}`, target: '_blank' }, `Runbook: ${section}`),
        ),
      );
    },
  );
};

/** Text with its addresses as links. */
const linked = (text: string): Array<Node | string> =>
  text
    .split(/(https:\/\/[^\s<>"]+)/)
    .map((part, index) =>
      index % 2 === 1 ? html('a', { href: part, target: '_blank', rel: 'noreferrer' }, part) : part,
    );

export const drawInbox = (store: Store, now: number): void => {
  if (store.scalars.mode === 'live') {
    drawAlarms(store);
    return;
  }
  const mails = store.all('mails').toReversed();
  if (mails.length === 0) {
    showEmpty(byId('inbox'), 'No alert has been sent yet: nothing was wrong.');
    return;
  }
  showList(
    byId('inbox'),
    mails,
    ({ id }) => id,
    (mail) => JSON.stringify(mail),
    ({ at, subject, text }) =>
      html(
        'article',
        {},
        html('h3', {}, subject),
        html('p', { class: 'dim' }, zoned(at, now)),
        html('pre', { tabindex: 0, 'aria-label': subject }, ...linked(text)),
      ),
  );
};

/** Tabs that arrow keys go through, as ARIA's pattern has it. */
export const createTabs = (): void => {
  const tabs = [...document.querySelectorAll<HTMLElement>('[role="tab"]')];
  const choose = (chosen: HTMLElement): void => {
    for (const tab of tabs) {
      const isChosen = tab === chosen;
      tab.setAttribute('aria-selected', String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      byId(tab.getAttribute('aria-controls') ?? '').hidden = !isChosen;
    }
  };
  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener('click', () => choose(tab));
    tab.addEventListener('keydown', ({ key }) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
      const next = step === undefined ? undefined : tabs[(index + step + tabs.length) % tabs.length];
      if (next === undefined) return;
      choose(next);
      next.focus();
    });
  }
};
