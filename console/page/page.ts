import type { Batch, Drawings, Sentence } from '../view.ts';
import { byId, here, set, setText, time, zoned } from './dom.ts';
import type { Tip } from './lane.ts';
import { createTabs, drawEndpoints, drawInbox, drawLog } from './panels.ts';
import { Rows } from './rows.ts';
import { RunPanel } from './run-panel.ts';
import { ask, openSession, readEvents, SessionEndedError } from './session.ts';
import { Store } from './store.ts';
import { createSwitches } from './switches.ts';

const store = new Store();
const calm = matchMedia('(prefers-reduced-motion: reduce)');
/** Pictures change so often at most; text less often, for faster is read by nobody. */
const calmMs = 1000;
const textMs = 250;
const reconnectMs = 500;
/** The server sends something every second. */
const freshMs = 3000;

/** The run that was chosen; empty to follow the newest. */
let chosen = '';
let panel: RunPanel | undefined;
let heardAt = 0;
let ended = '';
/** The sentence, as the page's title has it. */
let told = '';
let [drawnAt, textDrawnAt] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
let isAsked = false;

const requestDraw = (): void => {
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(draw);
};

const tip: Tip = {
  show: (element, text) => {
    const box = byId('tip');
    setText(box, text);
    box.hidden = false;
    const place = element.getBoundingClientRect();
    const [width, height] = [box.offsetWidth, box.offsetHeight];
    const left = Math.min(Math.max(8, place.left + place.width / 2 - width / 2), innerWidth - width - 8);
    const above = place.top - height - 8;
    box.style.left = `${left}px`;
    box.style.top = `${above < 8 ? place.bottom + 8 : above}px`;
  },
  hide: () => {
    byId('tip').hidden = true;
  },
};

const shownRun = (): string => (chosen === '' ? store.scalars.newestRun : chosen);

let [openedRun, isOpening, mustOpen] = ['', false, false];
/** Opens the shown run again, one request at a time. */
const openRun = async (): Promise<void> => {
  mustOpen = true;
  if (isOpening || panel === undefined) return;
  isOpening = true;
  try {
    while (mustOpen) {
      mustOpen = false;
      openedRun = shownRun();
      if (openedRun !== '') await panel.open(openedRun, store.scalars.now);
      await new Promise((resolve) => setTimeout(resolve, textMs));
    }
  } catch {
    // The connection says on the page what is wrong, and comes back; then it is opened again.
    openedRun = '';
  } finally {
    isOpening = false;
  }
};

const choose = (run: string): void => {
  if (run === '') return;
  chosen = run;
  byId('follow').hidden = false;
  void openRun();
  requestDraw();
};

const rows = new Rows(tip, choose, requestDraw);
const drawSwitches = createSwitches();
createTabs();
byId('follow').addEventListener('click', () => {
  chosen = '';
  byId('follow').hidden = true;
  void openRun();
  requestDraw();
});
document.addEventListener('keydown', ({ key }) => {
  if (key === 'Escape') tip.hide();
});

const marks: Record<Sentence['severity'], readonly [mark: string, word: string]> = {
  well: ['●', 'Well'],
  warning: ['▲', 'Warning'],
  critical: ['✕', 'Critical'],
};

const drawSentence = ({ severity, pieces }: Sentence, now: number): void => {
  const text = pieces.map((piece) => (typeof piece === 'number' ? zoned(piece, now) : piece)).join('');
  const [mark, word] = marks[severity];
  set(byId('summary'), { 'data-severity': severity });
  setText(byId('mark'), mark);
  const words = severity === 'well' ? text : `${word}: ${text}`;
  setText(byId('words'), words);
  told = `${mark} ${words}`;
};

/** "Live" is what the page says only while it is. */
const drawFreshness = (): void => {
  const { mode, trouble, servedAt } = store.scalars;
  const isHeard = performance.now() - heardAt < freshMs;
  const isStale = heardAt !== 0 && (!isHeard || trouble !== '');
  const since = servedAt === 0 ? '' : ` since ${here(servedAt)}`;
  const why =
    ended !== ''
      ? `${ended} The console was started anew, or this page is not the one it was opened with: open the address that it prints.`
      : !isHeard
        ? `Nothing has been heard from the console${since}. Is npm run console still running? After a restart, open the new address that it prints.`
        : `AWS could not be read. ${trouble}`;
  document.body.classList.toggle('stale', isStale || ended !== '');
  const box = byId('stale');
  const isHidden = !isStale && ended === '';
  set(box, { hidden: isHidden });
  setText(box, isHidden ? '' : why);
  const word = isHidden ? (heardAt === 0 ? 'connecting' : 'live') : isHeard ? 'out of date' : `silent${since}`;
  setText(byId('link'), word);
  const title = isHidden ? told : `? ${word}${told === '' ? '' : `, before: ${told}`}`;
  if (title !== '' && document.title !== title) document.title = title;
  setText(byId('mode'), mode === 'live' ? 'deployed' : 'simulated');
};

function draw(at: number): void {
  isAsked = false;
  const { scalars, dirty } = store;
  if (scalars.now === 0) return;
  if (calm.matches && at - drawnAt < calmMs) {
    setTimeout(requestDraw, calmMs - (at - drawnAt));
    return;
  }
  drawnAt = at;
  const { now } = scalars;
  rows.draw(store, now, shownRun());
  if (at - textDrawnAt < textMs) return void setTimeout(requestDraw, textMs - (at - textDrawnAt));
  textDrawnAt = at;
  setText(byId('now'), `${new Date(now).toISOString().slice(0, 10)} ${time(now)} UTC`);
  setText(byId('here'), `${scalars.mode === 'embedded' ? 'simulated; here it is' : 'here'} ${here(scalars.servedAt)}`);
  setText(byId('title'), scalars.title);
  drawSentence(scalars.sentence, now);
  drawFreshness();
  drawEndpoints(store, now);
  if (dirty.has('workers') || dirty.has('scalars')) drawLog(store);
  drawInbox(store, now);
  drawSwitches(store);
  const isRunNews = dirty.has('runs') || dirty.has('rollouts');
  dirty.clear();
  if (shownRun() !== openedRun || isRunNews) void openRun();
}

let heard: string | undefined;
const listen = async (): Promise<void> => {
  await openSession();
  await readEvents(heard, (number, data) => {
    heard = number;
    heardAt = performance.now();
    ended = '';
    store.take(JSON.parse(data) as Batch);
    requestDraw();
  });
};

const keepListening = async (): Promise<void> => {
  for (;;) {
    try {
      if (panel === undefined) {
        await openSession();
        panel = new RunPanel((await (await ask('drawings')).json()) as Drawings);
      }
      await listen();
    } catch (error) {
      if (error instanceof SessionEndedError) {
        ended = error.message.trim();
        // Another server has other numbers.
        heard = undefined;
      }
    }
    drawFreshness();
    await new Promise((resolve) => setTimeout(resolve, reconnectMs));
  }
};

setInterval(drawFreshness, 1000);
void keepListening();
