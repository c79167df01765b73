import { buildPage } from '../console/build.ts';
import { EmbeddedSource } from '../console/embedded.ts';
import { drawMachines } from '../console/layout.ts';
import { serveConsole } from '../console/server.ts';
import { browserPath, startBrowser } from './browser.ts';

/**
 * The console's page beside an empty page in the same browser: bytes, time to first paint on loopback, frames a second while
 * a simulated week runs, and the share of a core while time stands still. Scrolling a thousand targets is measured beside a bare list
 * of the same height: in frames a second, which the machine's other work lessens, and in what is computed for each, which it hardly does.
 * Run: npm run bench:console
 */
const rounds = 5;
const hourMs = 3_600_000;
const weekMs = 7 * 24 * hourMs;
const restMs = 20_000;
const many = { targets: 1000, runs: 24 };
/** Where a bare list has fewer frames, the machine has no more to give: nearly as many will do. */
const targets = { kilobytes: 200, paintMs: 300, frames: 58, ofBareList: 0.97, restPercent: 1 };
const scrollMs = 10_000;
const viewport = { width: 1440, height: 1000 };

if (browserPath === undefined) {
  process.stderr.write('This needs Chromium. Install it, or say where it is by CHROMIUM.\n');
  process.exit(2);
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

const source = await EmbeddedSource.begin();
const files = await buildPage();
const drawings = await drawMachines();
const served = await serveConsole(source, files, drawings, 0);
const browser = await startBrowser();

const paintScript = `new Promise((resolve) => {
  const check = () => {
    const [paint] = performance.getEntriesByName('first-contentful-paint');
    if (paint === undefined) setTimeout(check, 10);
    else resolve(paint.startTime);
  };
  check();
})`;
/** Frames a second while something is done before each of them. */
const framesScript = (ms: number, before = '') => `new Promise((resolve) => {
  let frames = 0;
  const from = performance.now();
  const bottom = document.body.scrollHeight - window.innerHeight;
  const count = () => {
    frames += 1;
    ${before};
    const ms = performance.now() - from;
    if (ms > ${ms}) resolve((frames / ms) * 1000);
    else requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
})`;
/** A screen in a third of a second, from top to bottom and again. */
const scroll = 'window.scrollTo(0, (frames * 45) % bottom)';

const control = await browser.newBrowserCDPSession();
/** Seconds that all of the browser's processes have computed for (Chrome DevTools Protocol, SystemInfo.getProcessInfo). */
const computedSeconds = async (): Promise<number> =>
  (await control.send('SystemInfo.getProcessInfo')).processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0);
/** The percentage of a core that the browser takes while nothing is done. */
const restPercent = async (shown: typeof page): Promise<number> => {
  await shown.waitForTimeout(2000);
  const before = await computedSeconds();
  await shown.waitForTimeout(restMs);
  return (((await computedSeconds()) - before) * 100_000) / restMs;
};
/** Frames a second while a page is scrolled, and the milliseconds that the browser computes for each of them. */
const scrollOf = async (shown: typeof page): Promise<{ readonly frames: number; readonly computedMs: number }> => {
  const before = await computedSeconds();
  const frames = await shown.evaluate<number>(framesScript(scrollMs, scroll));
  return { frames, computedMs: (((await computedSeconds()) - before) * 1_000_000) / (frames * scrollMs) };
};
/** Milliseconds to the first paint, the median of so many times. */
const paintMs = async (shown: typeof page, addresses: readonly string[]): Promise<number> => {
  const paints: number[] = [];
  for (const address of addresses) {
    await shown.goto(address);
    paints.push(await shown.evaluate<number>(paintScript));
  }
  return median(paints);
};

const empty = await browser.newPage({ viewport });
const emptyPaintMs = await paintMs(empty, Array<string>(rounds).fill('data:text/html,<p>text</p>'));
const emptyRestPercent = await restPercent(empty);
const emptyFrames = await empty.evaluate<number>(framesScript(2000));
await empty.close();

const page = await browser.newPage({ viewport });
// Its first address is good for once.
const pagePaintMs = await paintMs(page, [served.url, ...Array<string>(rounds - 1).fill(served.origin)]);
await page.waitForSelector('.step.done');

source.turn('speed', '3600');
const from = source.eventLog.scalars.now;
const frames: number[] = [];
while (source.eventLog.scalars.now - from < weekMs) frames.push(await page.evaluate<number>(framesScript(2000)));

source.turn('speed', '0');
const pageRestPercent = await restPercent(page);

const { eventLog } = source;
const { now } = eventLog.scalars;
for (let index = 0; index < many.targets; index += 1) {
  const id = `target-${index}`;
  const endsAt = now + 8 * hourMs;
  eventLog.put('refreshers', { id, title: id, isOurs: true, endsAt, proofs: { tested: 3 } });
  eventLog.put('tokens', { id, refresher: id, storedAt: endsAt - 12 * hourMs, expiresAt: endsAt });
  for (let run = 0; run < many.runs; run += 1) {
    const startedAt = now - (run + 1) * hourMs;
    const of = { refresher: id, run: `${id}-${run}`, trigger: 'schedule', status: 'SUCCEEDED' };
    eventLog.put('runs', { id: `${id}-${run}`, ...of, startedAt, endedAt: startedAt + 60_000 });
  }
}
eventLog.flush();
await page.waitForSelector(`#rows > li:nth-child(${many.targets})`, { state: 'attached' });
// What has come is drawn once, before anybody scrolls.
await page.waitForTimeout(2000);
const scrolled = await scrollOf(page);
const height = await page.evaluate<number>('document.body.scrollHeight');
const bareList = await browser.newPage({ viewport });
await bareList.setContent(
  `<body style="margin: 0">${`<p style="margin: 0; height: ${height / many.targets}px">text</p>`.repeat(many.targets)}`,
);
const bare = await scrollOf(bareList);

const bytes = [...files.values()].reduce(
  (sum, { content }) => sum + content.byteLength,
  JSON.stringify(drawings).length,
);
const kilobytes = bytes / 1024;
const row = (what: string, console: string, emptyPage: string, target: string): string =>
  `${what.padEnd(30)}${console.padStart(10)}${emptyPage.padStart(15)}   ${target}\n`;
process.stdout.write(
  [
    row('', 'console', 'an empty page', ''),
    row(
      'first paint',
      `${pagePaintMs.toFixed(0)} ms`,
      `${emptyPaintMs.toFixed(0)} ms`,
      `(target: under ${targets.paintMs} ms; the median of ${rounds})`,
    ),
    row(
      'frames a second, in a week',
      median(frames).toFixed(0),
      emptyFrames.toFixed(0),
      `(target: 60; the median of ${frames.length} spans of 2 s, the worst ${Math.min(...frames).toFixed(0)})`,
    ),
    row(
      'frames a second, scrolling',
      scrolled.frames.toFixed(0),
      bare.frames.toFixed(0),
      `(target: 60, or as many as a bare list; ${many.targets} targets of ${many.runs} runs, beside a list of that height)`,
    ),
    row('computed for such a frame', `${scrolled.computedMs.toFixed(1)} ms`, `${bare.computedMs.toFixed(1)} ms`, ''),
    row(
      'of a core, at rest',
      `${pageRestPercent.toFixed(1)} %`,
      `${emptyRestPercent.toFixed(1)} %`,
      `(target: at most ${targets.restPercent} % more; ${restMs / 1000} s of time that stands still)`,
    ),
    row('all its files', `${kilobytes.toFixed(0)} KB`, '', `(target: under ${targets.kilobytes} KB)`),
  ].join(''),
);
await browser.close();
await served.close();
await source.end();
const isMet =
  kilobytes < targets.kilobytes &&
  pagePaintMs < targets.paintMs &&
  median(frames) >= targets.frames &&
  scrolled.frames >= Math.min(targets.frames, targets.ofBareList * bare.frames) &&
  pageRestPercent - emptyRestPercent <= targets.restPercent;
process.stdout.write(isMet ? 'All targets are met.\n' : 'A target is missed.\n');
process.exitCode = isMet ? 0 : 1;
