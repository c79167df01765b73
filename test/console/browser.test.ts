import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { browserPath, startBrowser } from '../../bench/browser.ts';
import { buildPage } from '../../console/build.ts';
import { EmbeddedSource } from '../../console/embedded.ts';
import { layOut } from '../../console/layout.ts';
import { type ServedConsole, serveConsole } from '../../console/server.ts';
import { readDefinition } from '../../runner/definition.ts';

if (browserPath === undefined) {
  console.warn('Left out: the console in a browser. Install Chromium, or say where it is by CHROMIUM.');
}

/** Where screenshots go; nowhere where it is not said. */
const screenshots = process.env.SCREENSHOTS;
const hourMs = 3_600_000;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

describe.runIf(browserPath !== undefined)('the console in a browser', () => {
  let browser: Browser;
  let source: EmbeddedSource;
  let served: ServedConsole;
  let page: Page;
  let errors: string[];

  const serve = async (port = 0): Promise<void> => {
    const definition = readDefinition({ functionArn: (name) => name, alertTopicArn: 'alerts' });
    served = await serveConsole(source, await buildPage(), await layOut(definition), port);
  };

  beforeAll(async () => {
    browser = await startBrowser();
  });

  afterAll(() => browser.close());

  beforeEach(async () => {
    source = await EmbeddedSource.begin();
    await serve();
    const context = await browser.newContext({ viewport: { width: 1440, height: 1000 } });
    page = await context.newPage();
    errors = [];
    page.on('pageerror', ({ message }) => errors.push(message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().includes('ERR_')) errors.push(message.text());
    });
    await page.goto(served.url);
    await page.waitForSelector('.node.done');
  });

  afterEach(async () => {
    await page.context().close();
    await served.close();
    await source.end();
  });

  const turn = (position: string): Promise<void> => page.click(`[data-switch="${position}"]`);
  const glance = (): Promise<string[]> => page.locator('.glance').allInnerTexts();
  const all = <Name extends Parameters<EmbeddedSource['eventLog']['all']>[0]>(name: Name) => source.eventLog.all(name);
  /** Waits, by the wall clock, until the world has come to something. */
  const until = (happened: () => boolean): Promise<void> =>
    expect.poll(happened, { timeout: 50_000, interval: 50 }).toBe(true);
  const hoursPass = (hours: number): Promise<void> => {
    const from = source.eventLog.scalars.now;
    return until(() => source.eventLog.scalars.now - from >= hours * hourMs);
  };

  it('shows an outage of five hours survived by us and not by the guide’s Lambda, side by side', async () => {
    await turn('speed 3600');
    await hoursPass(4);
    await turn('runpod 503');
    await hoursPass(5);
    expect(await page.locator('.t-outage').count()).toBe(1);
    await turn('runpod well');
    await until(() => all('mails').some(({ subject }) => subject.endsWith('recovered')));
    await hoursPass(4);
    await turn('speed 0');
    await expect
      .poll(glance)
      .toEqual([
        expect.stringMatching(/^runpod-ecr-refresh\n\d+ h \d+ min left\nnever expired$/),
        expect.stringMatching(/^the guide’s Lambda\nexpired .* ago\nexpired for .* in all$/),
      ]);
    // People heard of it while there was time, and when it was over.
    expect(await page.locator('#inbox h3').allInnerTexts()).toEqual([
      '[INFO] runpod-ecr-refresh: production recovered',
      '[WARNING] runpod-ecr-refresh: production delayed',
    ]);
    expect(await page.locator('.t-gap').count()).toBe(1);
    expect(await page.locator('.t-run.failed').count()).toBeGreaterThan(0);
    expect(await page.locator('#endpoints').innerText()).toMatch(/observed|tested/);
    if (screenshots !== undefined) {
      mkdirSync(screenshots, { recursive: true });
      await page.click('[data-state="UpdateRunpod"]');
      await expect.poll(() => page.locator('#state pre').count()).toBe(2);
      await page.evaluate('window.scrollTo(0, 0)');
      await page.screenshot({ path: join(screenshots, 'console.png') });
    }
    expect(errors).toEqual([]);
  });

  it('lights the states up as a run goes, and shows retries', async () => {
    await turn('speed 60');
    await turn('runpod 503');
    await turn('refresh');
    await page.waitForSelector('.node.retried, .node.active');
    await until(() => all('states').some(({ phase }) => phase === 'retried'));
    await page.waitForSelector('.node.retried');
    await turn('speed 3600');
    await page.waitForSelector('[data-state="WaitForUpstream"].active');
    await turn('runpod well');
    await page.waitForSelector('[data-state="UpdateRunpod"].done');
    expect(errors).toEqual([]);
  });

  it('shows a state’s input and output, by mouse and by keys, with the token sealed', async () => {
    await page.click('[data-state="FetchToken"]');
    await expect.poll(() => page.locator('#state').innerText()).toContain('"sealed": "v2.');
    expect(await page.getAttribute('[data-state="FetchToken"]', 'aria-pressed')).toBe('true');
    await page.focus('[data-state="Report"]');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('#state').innerText()).toMatch(/^Report\n/);
  });

  it.each<readonly [string, readonly string[], () => Promise<unknown> | unknown]>([
    [
      'an image that is pushed',
      ['push'],
      () => until(() => all('runs').some(({ trigger, status }) => trigger === 'push' && status === 'SUCCEEDED')),
    ],
    [
      'tokens that expire, and are replaced at once',
      ['expire', 'refresh'],
      () =>
        until(
          () =>
            all('tokens').filter(
              ({ refresher, expiresAt }) => refresher === 'ours' && expiresAt > source.eventLog.scalars.now,
            ).length === 1,
        ),
    ],
    [
      'a Runpod that answers 405: by GraphQL',
      ['runpod 405', 'refresh'],
      () =>
        until(
          () =>
            all('runs').filter(({ refresher, status }) => refresher === 'ours' && status === 'SUCCEEDED').length >= 2,
        ),
    ],
    [
      'a Runpod that answers 429: patiently',
      ['runpod 429', 'refresh'],
      () => until(() => all('states').some(({ id, phase }) => id === 'WaitForUpstream' && phase === 'active')),
    ],
    [
      'a Runpod that hangs: patiently',
      ['runpod hangs', 'refresh'],
      () => until(() => all('states').some(({ phase }) => phase === 'retried')),
    ],
    [
      'an ECR that refuses: notified at once',
      ['ecr refuses', 'refresh'],
      () => until(() => all('mails').some(({ subject }) => subject.endsWith('failed'))),
    ],
    [
      'an ECR that is down: patiently',
      ['ecr 503', 'refresh'],
      () => until(() => all('states').some(({ phase }) => phase === 'retried')),
    ],
    [
      'a guide whose call exists: it stores',
      ['guide there'],
      async () => {
        await hoursPass(13);
        await until(() => all('tokens').filter(({ refresher }) => refresher === 'guide').length >= 2);
      },
    ],
  ])('has a switch for %s', async (_what, positions, happened) => {
    await turn('speed 3600');
    for (const position of positions) await turn(position);
    for (const position of positions.filter((each) => each.includes(' '))) {
      await page.waitForSelector(`[data-switch="${position}"][aria-pressed="true"]`);
    }
    await happened();
    expect(errors).toEqual([]);
  });

  it('lets time stand still', async () => {
    await turn('speed 0');
    await page.waitForSelector('[data-switch="speed 0"][aria-pressed="true"]');
    await until(() => source.eventLog.scalars.speed === 0);
    const { now } = source.eventLog.scalars;
    await page.waitForTimeout(300);
    expect(source.eventLog.scalars.now).toBe(now);
  });

  it('connects again when the server was away, and catches up', async () => {
    const port = Number(new URL(served.origin).port);
    const cookies = await page.context().cookies();
    await served.close();
    await expect.poll(() => page.locator('#link').innerText()).toBe('reconnecting');
    source.turn('push', '');
    await serve(port);
    // A new server is a new session, which refuses the page until its address has been opened.
    await page.waitForResponse((response) => response.status() === 401);
    expect(cookies).toHaveLength(1);
    const context = page.context();
    const other = await context.newPage();
    await other.goto(served.url);
    await other.close();
    await expect.poll(() => page.locator('#link').innerText(), { timeout: 20_000 }).toBe('live');
    await expect.poll(() => page.locator('.t-push').count()).toBe(1);
  });

  it('takes a hostile log line and image for text', async () => {
    const hostile = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>';
    source.eventLog.put('endpoints', {
      id: 'hostile',
      refresher: 'ours',
      name: hostile,
      image: hostile,
      proof: 'failed',
      evidence: hostile,
      at: 0,
    });
    source.eventLog.put('workers', {
      id: hostile,
      endpoint: 'hostile',
      status: hostile,
      startedAt: 0,
      lines: [{ at: 0, line: hostile }],
    });
    source.eventLog.put('mails', { id: 'hostile', at: 0, subject: hostile, text: hostile });
    source.eventLog.put('outages', { id: 'hostile', text: hostile, from: source.eventLog.scalars.now });
    source.eventLog.put('refreshers', { id: 'hostile', title: hostile });
    source.eventLog.set({ title: hostile, trouble: hostile });
    source.eventLog.flush();
    await expect.poll(() => page.locator('#endpoints').innerText()).toContain(hostile);
    await expect.poll(() => page.locator('#inbox').innerText()).toContain(hostile);
    expect(await page.locator('main img, main script, header img, header script').count()).toBe(0);
    expect(await page.evaluate('window.owned')).toBeUndefined();
    expect(errors).toEqual([]);
  });

  it.each([
    ['light', 1440],
    ['dark', 1440],
    ['light', 390],
    ['dark', 390],
  ] as const)('is accessible, and wide enough for nothing to be cut off, in %s at %i pixels', async (colorScheme, width) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width, height: 900 });
    await turn('speed 3600');
    await turn('runpod 503');
    await until(() => all('mails').length > 0);
    await turn('speed 0');
    await page.click('[data-state="FetchToken"]');
    await expect.poll(() => page.locator('#state pre').count()).toBe(2);
    // Not the page's own script: the policy would not let it in.
    await page.evaluate(axe);
    const violations = await page.evaluate(
      'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`))',
    );
    expect(violations).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
    if (screenshots !== undefined) {
      mkdirSync(screenshots, { recursive: true });
      await page.evaluate('window.scrollTo(0, 0)');
      await page.screenshot({ path: join(screenshots, `console-${colorScheme}-${width}.png`) });
    }
  });

  it('keeps still for whoever asked for reduced motion', async () => {
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await turn('speed 3600');
    const moves = await page.evaluate(`new Promise((resolve) => {
      let moves = 0;
      new MutationObserver(() => { moves += 1; }).observe(document.querySelector('.t-now'), { attributes: true });
      setTimeout(() => resolve(moves), 2000);
    })`);
    expect(moves).toBeGreaterThan(0);
    expect(moves).toBeLessThan(8);
  });
});
