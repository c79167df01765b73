import { buildPage } from '../console/build.ts';
import { EmbeddedSource } from '../console/embedded.ts';
import { drawMachines } from '../console/layout.ts';
import { serveConsole } from '../console/server.ts';
import { browserPath, startBrowser } from './browser.ts';

/**
 * The console's page: bytes, time to first paint on loopback, and frames a second while a simulated week runs, beside an
 * empty page in the same browser. Run: npm run bench:console
 */
const rounds = 5;
const week = 7 * 24;
const targets = { kilobytes: 200, paintMs: 300, frames: 58 };

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
const page = await browser.newPage({ viewport: { width: 1440, height: 1000 } });

const paintScript = `new Promise((resolve) => {
  const check = () => {
    const [paint] = performance.getEntriesByName('first-contentful-paint');
    if (paint === undefined) setTimeout(check, 10);
    else resolve(paint.startTime);
  };
  check();
})`;
const framesScript = (ms: number) => `new Promise((resolve) => {
  let frames = 0;
  const from = performance.now();
  const count = () => {
    frames += 1;
    const ms = performance.now() - from;
    if (ms > ${ms}) resolve((frames / ms) * 1000);
    else requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
})`;

const paints: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  await page.goto(round === 0 ? served.url : served.origin);
  paints.push(await page.evaluate<number>(paintScript));
}
await page.waitForSelector('.step.done');

source.turn('speed', '3600');
const from = source.eventLog.scalars.now;
const frames: number[] = [];
while (source.eventLog.scalars.now - from < week * 3_600_000) {
  frames.push(await page.evaluate<number>(framesScript(2000)));
}
const empty = await browser.newPage({ viewport: { width: 1440, height: 1000 } });
await empty.setContent('<p>text</p>');
const emptyFrames = await empty.evaluate<number>(framesScript(2000));
const emptyPaint = await empty.evaluate<number>(paintScript);

const bytes = [...files.values()].reduce(
  (sum, { content }) => sum + content.byteLength,
  JSON.stringify(drawings).length,
);
const measured = { kilobytes: bytes / 1024, paintMs: median(paints), frames: median(frames) };
process.stdout.write(`                     console   an empty page
first paint         ${measured.paintMs.toFixed(0).padStart(5)} ms  ${emptyPaint.toFixed(0).padStart(11)} ms   (target: under ${targets.paintMs} ms; the median of ${rounds})
frames a second     ${measured.frames.toFixed(0).padStart(8)}  ${emptyFrames.toFixed(0).padStart(14)}   (target: 60; the median of ${frames.length} spans of 2 s, the worst ${Math.min(...frames).toFixed(0)})
all its files       ${measured.kilobytes.toFixed(0).padStart(5)} KB                   (target: under ${targets.kilobytes} KB)
`);
await browser.close();
await served.close();
await source.end();
const isMet =
  measured.kilobytes < targets.kilobytes && measured.paintMs < targets.paintMs && measured.frames >= targets.frames;
process.stdout.write(isMet ? 'All targets are met.\n' : 'A target is missed.\n');
process.exitCode = isMet ? 0 : 1;
