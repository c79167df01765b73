import type { Batch, Drawing } from '../view.ts';
import { byId, setText, time } from './dom.ts';
import { drawEndpoints, drawGlance, drawInbox, drawState } from './panels.ts';
import { Store } from './store.ts';
import { createSwitches } from './switches.ts';
import { Timeline } from './timeline.ts';
import { Workflow } from './workflow.ts';

const store = new Store();
const timeline = new Timeline(byId('timeline'));
const drawSwitches = createSwitches();
let workflow: Workflow | undefined;
let chosen = '';
/** When the server last sent the time, by this page's clock. */
let receivedAt = 0;
let isConnected = false;

const calm = matchMedia('(prefers-reduced-motion: reduce)');
/** Text changes so often at most: faster is read by nobody. */
const textMs = 250;
const calmMs = 1000;
const reconnectMs = 500;

const showState = async (): Promise<void> => {
  if (chosen === '') return;
  const answer = await fetch(`/api/states/${encodeURIComponent(chosen)}`);
  if (answer.ok) drawState(chosen, (await answer.json()) as object);
};

const choose = (state: string): void => {
  chosen = state;
  workflow?.draw(store, chosen);
  void showState();
};

/** The world's time now: what the server sent last, and what has passed since. */
const nowOf = (): number => {
  const { now, speed } = store.scalars;
  const passedMs = Math.min(performance.now() - receivedAt, 200);
  return calm.matches || !isConnected ? now : now + passedMs * speed;
};

let [textDrawnAt, drawnAt] = [0, 0];

const draw = (at: number): void => {
  requestAnimationFrame(draw);
  if (store.scalars.now === 0 || (calm.matches && at - drawnAt < calmMs && !store.dirty.has('states'))) return;
  drawnAt = at;
  const now = nowOf();
  timeline.draw(store, now);
  const isStateNews = store.dirty.delete('states');
  if (isStateNews) workflow?.draw(store, chosen);
  if (at - textDrawnAt < textMs) return;
  textDrawnAt = at;
  const { scalars, dirty } = store;
  setText(byId('now'), `${new Date(now).toISOString().slice(0, 10)} ${time(now)} UTC`);
  setText(byId('title'), scalars.title);
  setText(byId('shown-run'), scalars.shownRun === '' ? 'No run yet.' : `Run ${scalars.shownRun}`);
  drawGlance(store, now);
  if (dirty.has('endpoints') || dirty.has('workers')) drawEndpoints(store, now);
  if (dirty.has('mails') || dirty.has('scalars')) drawInbox(store);
  if (dirty.has('scalars')) drawSwitches(store);
  dirty.clear();
  if (isStateNews) void showState();
};

const listen = (): void => {
  const events = new EventSource('/api/events');
  events.onopen = () => {
    isConnected = true;
    setText(byId('link'), 'live');
  };
  events.onerror = () => {
    isConnected = false;
    setText(byId('link'), 'reconnecting');
    // It connects again by itself when a connection breaks, but not after an answer that refuses it.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, reconnectMs);
  };
  events.onmessage = ({ data }: MessageEvent<string>) => {
    store.take(JSON.parse(data) as Batch);
    receivedAt = performance.now();
  };
};

listen();
requestAnimationFrame(draw);
const drawing = (await (await fetch('/api/drawing')).json()) as Drawing;
workflow = new Workflow(byId('workflow'), drawing, choose);
workflow.draw(store, chosen);
