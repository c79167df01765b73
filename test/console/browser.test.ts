import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { browserPath, startBrowser } from '../../bench/browser.ts';
import { buildPage } from '../../console/build.ts';
import { EmbeddedSource } from '../../console/embedded.ts';
import { drawMachines } from '../../console/layout.ts';
import { type ServedConsole, serveConsole } from '../../console/server.ts';

if (browserPath === undefined) {
  console.warn('Left out: the console in a browser. Install Chromium, or say where it is by CHROMIUM.');
}

/** Where screenshots go; nowhere where it is not said. */
const screenshots = process.env.SCREENSHOTS;
const hourMs = 3_600_000;
const graph = 'document.querySelector("#graph")';
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

describe.runIf(browserPath !== undefined)('the console in a browser', () => {
  let browser: Browser;
  let source: EmbeddedSource;
  let served: ServedConsole;
  let page: Page;
  let errors: string[];

  const serve = async (port = 0): Promise<void> => {
    served = await serveConsole(source, await buildPage(), await drawMachines(), port);
  };

  beforeAll(async () => {
    browser = await startBrowser();
  });

  afterAll(() => browser.close());

  beforeEach(async () => {
    source = await EmbeddedSource.begin({ livedHours: 0 });
    await serve();
    const context = await browser.newContext({ viewport: { width: 1440, height: 1000 } });
    page = await context.newPage();
    errors = [];
    page.on('pageerror', ({ message }) => errors.push(message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().includes('ERR_')) errors.push(message.text());
    });
    await page.goto(served.url);
    await page.waitForSelector('.step.done');
    await page.click('#drawer summary');
  });

  afterEach(async () => {
    await page.context().close();
    await served.close();
    await source.end();
  });

  const turn = (position: string): Promise<void> => page.click(`[data-switch="${position}"]`);
  const rowOf = async (id: string): Promise<string> =>
    (await page.locator(`[data-row="${id}"]`).innerText()).replaceAll(/\s+/g, ' ');
  const sentence = (): Promise<string> => page.locator('#words').innerText();
  const isState = async (id: string, phase: string): Promise<boolean> => {
    const record = await source.run(source.eventLog.scalars.newestRun);
    return record?.opened.states.some((state) => state.id === id && state.phase === phase) === true;
  };
  const all = <Name extends Parameters<EmbeddedSource['eventLog']['all']>[0]>(name: Name) => source.eventLog.all(name);
  /** Waits, by the wall clock, until the world has come to something. */
  const until = (happened: () => boolean): Promise<void> =>
    expect.poll(happened, { timeout: 50_000, interval: 50 }).toBe(true);
  const hoursPass = (hours: number): Promise<void> => {
    const from = source.eventLog.scalars.now;
    return until(() => source.eventLog.scalars.now - from >= hours * hourMs);
  };

  const shoot = async (name: string): Promise<void> => {
    if (screenshots === undefined) return;
    mkdirSync(screenshots, { recursive: true });
    await page.evaluate('window.scrollTo(0, 0)');
    await page.screenshot({ path: join(screenshots, `${name}.png`) });
  };

  it('tells of eight hours without Runpod as they happen, and what they cost whom', async () => {
    await turn('speed 21600');
    await hoursPass(20);
    await page.click('#drawer summary');
    await turn('story outage');
    await expect.poll(() => page.locator('#caption').innerText()).toMatch(/^Runpod is down for eight hours/);
    await expect
      .poll(sentence, { timeout: 50_000 })
      .toMatch(
        /^(?:Warning|Critical): Runpod has not answered since .* UTC\. production: pulls work until .* UTC.*Next try .* UTC\.$/,
      );
    expect(await page.title()).toMatch(/^[▲✕] .*Runpod has not answered since/);
    expect(await page.locator('#rows .t-outage').count()).toBeGreaterThan(0);
    await expect.poll(() => page.locator('#caption').innerText(), { timeout: 60_000 }).toMatch(/^The outage is over/);
    expect(await rowOf('production')).toMatch(
      /^production ● well \d+ h \d+ min left, until .* UTC.* never without pulls in the/,
    );
    expect(await rowOf('guide')).toMatch(/✕ failed expired .* ago.* without pulls in .*Runpod answered \d+\./);
    // People heard of it while there was time, of a run that gave up, of the time growing short, and when it was over.
    const told = await page.locator('#inbox h3').allInnerTexts();
    expect([told[0], told.at(-1)]).toEqual([
      '[INFO] runpod-ecr-refresh: production recovered',
      '[WARNING] runpod-ecr-refresh: production delayed',
    ]);
    for (const each of told.slice(1, -1)) {
      expect(each).toMatch(/^\[(?:WARNING\] runpod-ecr-refresh: production failed|CRITICAL\] .* delayed)$/);
    }
    expect(new Set(told).size).toBe(told.length);
    await shoot('console-outage');
    await isAccessible();
    expect(errors).toEqual([]);
  });

  it('lives a normal week, of which the guide’s Lambda as pasted is without pulls for most', async () => {
    await page.click('#drawer summary');
    await turn('story week');
    await expect.poll(() => page.locator('#caption').innerText()).toMatch(/^Day 1 of a normal week/);
    await expect.poll(() => page.locator('#caption').innerText(), { timeout: 170_000 }).toMatch(/^A week is over/);
    expect(await rowOf('production')).toMatch(/never without pulls in the 7 d \d+ h on record/);
    expect(await rowOf('guide')).toMatch(/15\d h \d+ min without pulls in 7 d/);
    expect(await rowOf('guide-repaired')).toMatch(/never without pulls/);
    await shoot('console-week');
    await isAccessible();
    expect(errors).toEqual([]);
  });

  it('tells of an image that is broken, and shows the rollout that came back on the lane and as a path', async () => {
    await until(() => all('runs').some(({ status }) => status === 'SUCCEEDED'));
    await page.click('.step[data-state="FetchToken"]');
    await expect.poll(() => page.locator('#state h3').count()).toBe(1);
    await page.click('#drawer summary');
    await turn('story rollout');
    await expect
      .poll(() => page.locator('#caption').innerText(), { timeout: 60_000 })
      .toMatch(/^The earlier image is back/);
    await expect.poll(() => page.locator('.t-rollout.back').count()).toBe(1);
    expect(await page.getAttribute('.t-rollout', 'aria-label')).toMatch(/→ .*, given back; .*broken/);
    await page.click('.t-rollout');
    await expect
      .poll(() => page.locator('#path .step.done').allInnerTexts())
      .toEqual([
        expect.stringContaining('plan'),
        expect.stringContaining('give the new image'),
        expect.stringContaining('watch'),
        expect.stringContaining('give the old one back'),
        expect.stringContaining('watch it'),
        expect.stringContaining('tell'),
      ]);
    expect(await page.locator('#run-facts').innerText()).toContain('no such file or directory');
    // A state of the other machine is none of this one's.
    expect(await page.locator('#state').innerText()).toBe('');
    await shoot('console-rollout');
    await isAccessible();
    expect(errors).toEqual([]);
  });

  it('opens any run by arrow keys, and says what it is where it is pointed at', async () => {
    await turn('speed 3600');
    await hoursPass(11);
    await turn('speed 0');
    const first = '[data-row="production"] .t-run[tabindex="0"]';
    await page.focus(first);
    const newest = await page.getAttribute(first, 'data-run');
    await page.keyboard.press('Home');
    expect(await page.locator('#tip').innerText()).toMatch(/^run-1, by schedule: succeeded\n.* UTC.*, \d+ s$/);
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('#run-heading').innerText()).toBe('Run run-1');
    await page.click('#follow');
    await expect.poll(() => page.locator('#run-heading').innerText()).toBe(`Run ${newest}`);
    // One that is forgotten says so, and shows nothing of another.
    await page.evaluate(`(({ dataset }, element) => {
      dataset.run = 'run-0';
      element.dispatchEvent(new MouseEvent('click', { bubbles: true }));
    })(...Array(2).fill(document.querySelector('[data-row="production"] .t-run')))`);
    await expect.poll(() => page.locator('#run-facts').innerText()).toMatch(/^This run is not on record/);
    expect(await page.locator('#run-heading').innerText()).toBe('Run run-0');
    expect(await page.locator('#path .step').count()).toBe(0);
    expect(errors.splice(0)).toEqual([expect.stringContaining('404')]);
    // The guide's failed run says why.
    const why = all('runs').find(({ refresher }) => refresher === 'guide')?.error ?? 'a failure';
    await page.locator('[data-row="guide"] .t-run').first().click();
    await expect.poll(() => page.locator('#run-facts').innerText()).toMatch(/^failed/);
    expect(await page.locator('#run-facts').innerText()).toContain(why);
    // Nothing is at work in a run that failed: it ended where it failed.
    await turn('runpod 503');
    await turn('speed 3600');
    await until(() => all('runs').some(({ refresher, status }) => refresher === 'production' && status === 'FAILED'));
    await turn('speed 0');
    await page.locator('[data-row="production"] .t-run.failed').first().click();
    await page.click('#graph-box summary');
    await expect
      .poll(() => page.locator('.node[data-state="RefreshFailed"] text').textContent())
      .toBe('✕ RefreshFailed');
    expect(await page.locator('.node.active').count()).toBe(0);
    expect(errors).toEqual([]);
  });

  it('leaves alone what has not changed: selected text stays, and time that stands costs no change', async () => {
    await turn('speed 0');
    await until(() => source.eventLog.scalars.speed === 0);
    await page.waitForTimeout(1200);
    const changes = await page.evaluate(`new Promise((resolve) => {
      let changes = 0;
      new MutationObserver((list) => { changes += list.length; })
        .observe(document.querySelector('main'), { subtree: true, childList: true, attributes: true, characterData: true });
      setTimeout(() => resolve(changes), 2500);
    })`);
    expect(changes).toBe(0);
  });

  it('says that nothing has been heard for three seconds, since when, and what to do', async () => {
    await served.close();
    await expect.poll(() => page.locator('#link').innerText(), { timeout: 20_000 }).toMatch(/^silent since \d\d:\d\d$/);
    expect(await page.locator('#stale').innerText()).toMatch(/After a restart, open the new address/);
    expect(await page.getAttribute('body', 'class')).toBe('stale');
    expect(await page.title()).toMatch(/^\? silent since \d\d:\d\d, before: ● All is well/);
    await page.click('[data-switch="refresh"]');
    await expect.poll(() => page.locator('#switch-trouble').innerText()).toMatch(/^“Start one now” did nothing/);
    await serve();
  });

  it('shows a thousand targets, worst first, counted and filtered', async () => {
    const { eventLog } = source;
    const { now } = eventLog.scalars;
    for (let index = 0; index < 1000; index += 1) {
      const id = `target-${index}-${'x'.repeat(20)}`;
      const isBad = index === 777;
      const endsAt = now + (isBad ? -1 : 8) * hourMs;
      eventLog.put('refreshers', { id, title: id, isOurs: true, endsAt, proofs: { tested: 3 } });
      eventLog.put('tokens', { id, refresher: id, storedAt: endsAt - 12 * hourMs, expiresAt: endsAt });
      eventLog.put('runs', {
        id,
        refresher: id,
        run: id,
        trigger: 'schedule',
        status: 'SUCCEEDED',
        startedAt: now - hourMs,
        endedAt: now,
      });
    }
    eventLog.flush();
    await expect.poll(() => page.locator('#rows > li').count()).toBe(1003);
    expect(await page.locator('#rows > li').first().getAttribute('data-row')).toMatch(/^target-777-/);
    expect(await page.locator('#counts button').first().innerText()).toBe('all 1003');
    // Only what is in the window, or nearly, has its time drawn; what is scrolled to gets it.
    const last = page.locator('#rows > li:has(h3:text-matches("^target-"))').last();
    expect(await last.locator('.t-run').count()).toBe(0);
    expect(await page.locator('.t-token').count()).toBeGreaterThan(5);
    await last.scrollIntoViewIfNeeded();
    await expect.poll(() => last.locator('.t-run').count()).toBe(1);
    expect(await page.locator('.t-token').count()).toBeLessThan(200);
    await last.locator('.t-run').hover();
    await expect.poll(() => page.locator('#tip').innerText()).toMatch(/^target-.*, by schedule: succeeded/);
    await page.fill('#filter', 'target-55');
    await expect.poll(() => page.locator('#rows > li').count()).toBe(11);
    await page.fill('#filter', '');
    await page.click('#counts button:has-text("expired")');
    await expect.poll(() => page.locator('#rows > li').count()).toBe(1);
    expect(errors).toEqual([]);
  });

  it('lights the steps up as a run goes, and shows retries', async () => {
    await turn('speed 60');
    await turn('runpod 503');
    await turn('refresh');
    await page.waitForSelector('.step.retried, .step.active, .step.caught');
    await turn('speed 3600');
    await page.click('#graph-box summary');
    await page.waitForSelector('.node[data-state="WaitForUpstream"].active', { timeout: 60_000 });
    // By shapes, too; and the picture of all states fits into the page.
    expect(await page.locator('.node[data-state="WaitForUpstream"] text').textContent()).toBe('○ WaitForUpstream');
    expect(await page.locator('.node[data-state="DiscoverEndpoints"] text').textContent()).toBe('✕ DiscoverEndpoints');
    expect(await page.locator('.node[data-state="ReportMissing"] text').textContent()).toBe('ReportMissing');
    expect(await page.evaluate(`(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(${graph})`)).toBe(0);
    await expect
      .poll(() => page.locator('.step[data-state="DiscoverEndpoints"]').innerText())
      .toMatch(/failed.* \d+× RunpodUnavailableError$/);
    expect(await page.locator('.step[data-state="WaitForUpstream"]').innerText()).toMatch(/^○ wait for the next try/);
    await turn('runpod well');
    await page.waitForSelector('.step[data-state="UpdateRunpod"].done', { timeout: 60_000 });
    expect(errors).toEqual([]);
  });

  it('shows a state’s input and output and the run they are of, by mouse and by keys, with the token sealed', async () => {
    await until(() =>
      all('runs').some(({ status, refresher }) => status === 'SUCCEEDED' && refresher === 'production'),
    );
    await page.click('.step[data-state="FetchToken"]');
    await expect.poll(() => page.locator('#state').innerText()).toContain('"sealed": "v2.');
    expect(await page.locator('#state h3').innerText()).toBe('FetchToken in run-1');
    expect(await page.getAttribute('.step[data-state="FetchToken"]', 'aria-pressed')).toBe('true');
    await page.click('#graph-box summary');
    await page.focus('.node[data-state="Report"]');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('#state').innerText()).toMatch(/^Report in run-1\n/);
  });

  it.each<readonly [string, readonly string[], () => Promise<unknown> | unknown]>([
    [
      'an image that works: it is given, and proven',
      ['push'],
      () => until(() => all('rollouts').some(({ verdict }) => verdict === 'proven')),
    ],
    [
      'tokens that expire, and are replaced at once',
      ['expire', 'refresh'],
      () =>
        until(
          () =>
            all('tokens').filter(
              ({ refresher, expiresAt }) => refresher === 'production' && expiresAt > source.eventLog.scalars.now,
            ).length === 1,
        ),
    ],
    [
      'a Runpod that answers 405: by GraphQL',
      ['runpod 405', 'refresh'],
      () =>
        until(
          () =>
            all('runs').filter(({ refresher, status }) => refresher === 'production' && status === 'SUCCEEDED')
              .length >= 2,
        ),
    ],
    [
      'a Runpod that answers 429: patiently',
      ['runpod 429', 'refresh'],
      () => expect.poll(() => isState('WaitForUpstream', 'active'), { timeout: 50_000, interval: 20 }).toBe(true),
    ],
    [
      'a Runpod that hangs: patiently',
      ['runpod hangs', 'refresh'],
      () => expect.poll(sentence, { timeout: 50_000 }).toMatch(/Runpod has not answered since/),
    ],
    [
      'an ECR that refuses: notified at once',
      ['ecr refuses', 'refresh'],
      () => until(() => all('mails').some(({ subject }) => subject.endsWith('failed'))),
    ],
    [
      'an ECR that is down: patiently',
      ['ecr 503', 'refresh'],
      () => expect.poll(sentence, { timeout: 50_000 }).toMatch(/ECR has not answered since/),
    ],
    [
      'nothing: a guide whose call exists stores beside us',
      [],
      async () => {
        await hoursPass(13);
        await until(() => all('tokens').filter(({ refresher }) => refresher === 'guide-repaired').length >= 2);
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

  it('connects again when the server was started anew, once its new address is opened', async () => {
    const port = Number(new URL(served.origin).port);
    await served.close();
    source.turn('push', '');
    await serve(port);
    await expect
      .poll(() => page.locator('#stale').innerText(), { timeout: 20_000 })
      .toMatch(/open the address that it prints/);
    await page.goto(served.url);
    await expect.poll(() => page.locator('#link').innerText(), { timeout: 20_000 }).toBe('live');
    await expect.poll(() => page.locator('.t-push').count()).toBe(1);
    expect(new URL(page.url()).hash).toBe('');
    // A page that is loaded again is in the same session still.
    await page.reload();
    await expect.poll(() => page.locator('#link').innerText(), { timeout: 20_000 }).toBe('live');
  });

  it('lives beside another console in the same browser', async () => {
    const [first, page2] = [served, await page.context().newPage()];
    await serve();
    await page2.goto(served.url);
    await expect.poll(() => page2.locator('#link').innerText()).toBe('live');
    await page.reload();
    await expect.poll(() => page.locator('#link').innerText()).toBe('live');
    expect(await page.context().cookies()).toEqual([]);
    await first.close();
  });

  it('takes a hostile log line and image for text', async () => {
    const hostile = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>';
    source.eventLog.put('endpoints', {
      id: 'hostile',
      refresher: 'production',
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
    source.eventLog.put('refreshers', {
      id: 'hostile',
      title: hostile,
      isOurs: true,
      error: { name: hostile, message: hostile },
    });
    source.eventLog.put('runs', {
      id: 'hostile',
      refresher: 'hostile',
      run: hostile,
      trigger: hostile,
      status: hostile,
      startedAt: source.eventLog.scalars.now,
      error: hostile,
    });
    source.eventLog.set({ title: hostile, trouble: hostile, caption: hostile });
    source.eventLog.flush();
    for (const id of ['endpoints', 'log', 'inbox', 'rows', 'stale', 'caption'])
      await expect.poll(() => page.locator(`#${id}`).textContent()).toContain(hostile);
    expect(await page.locator('main img, main script, header img, header script').count()).toBe(0);
    expect(await page.evaluate('window.owned')).toBeUndefined();
    expect(errors).toEqual([]);
  });

  it.each([
    ['light', 1440],
    ['dark', 1440],
    ['light', 1024],
    ['dark', 768],
    ['light', 390],
    ['dark', 390],
  ] as const)('is accessible, and wide enough for nothing to be cut off, in %s at %i pixels', async (colorScheme, width) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width, height: 900 });
    await turn('speed 3600');
    await turn('runpod 503');
    await until(() => all('mails').length > 0);
    await turn('speed 0');
    await page.click('.step[data-state="ResolveTargets"]');
    await expect.poll(() => page.locator('#state pre').count()).toBe(2);
    await page.click('#graph-box summary');
    // Not the page's own script: the policy would not let it in.
    await page.evaluate(axe);
    const violations = await page.evaluate(
      'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`))',
    );
    expect(violations).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
    // As it comes to the screen: what is drawn in an SVG is scaled with it.
    const small = await page.evaluate(`[...document.querySelectorAll('body *')].filter((element) => {
      const isText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== '');
      if (!isText || element.closest('script, style, title, defs') || !element.getClientRects().length) return false;
      const scale = element.ownerSVGElement ? element.getScreenCTM().a : 1;
      return parseFloat(getComputedStyle(element).fontSize) * scale < 11.99;
    }).map((element) => element.outerHTML.slice(0, 120))`);
    expect(small).toEqual([]);
    await page.click('#graph-box summary');
    await shoot(`console-${colorScheme}-${width}`);
  });

  const violations = async (): Promise<unknown> => {
    await page.evaluate(axe);
    return page.evaluate(
      'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`))',
    );
  };

  /** Of whatever stands on the page at the end of a story, with the drawer and all states open. */
  const isAccessible = async (): Promise<void> => {
    for (const summary of ['#drawer summary', '#graph-box summary']) await page.click(summary);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await violations(), colorScheme).toEqual([]);
    }
  };

  it.each([
    ['works', 1, ', given back;'],
    ['broken', 1, ', given back, which does not start either;'],
    ['not ours', 0, ', replaced by hand before it was given back;'],
  ])('tells whether a refused image was taken back: %s', async (back, marks, text) => {
    const [startedAt, endedAt] = [source.eventLog.scalars.now - hourMs, source.eventLog.scalars.now];
    const rollout = { refresher: 'production', endpoint: '4m7x2k9q', run: 'r', image: 'new', verdict: 'broken' };
    source.eventLog.put('rollouts', { id: back, ...rollout, startedAt, endedAt, why: 'no', back });
    source.eventLog.flush();
    await expect
      .poll(() => page.locator('.t-rollout').first().getAttribute('aria-label'), { timeout: 20_000 })
      .toContain(text);
    expect(await page.locator('.t-rollout.back').count()).toBe(marks);
  });

  it.each<readonly [string, () => Promise<unknown>]>([
    [
      'a rollout that came back',
      async () => {
        source.eventLog.put('rollouts', {
          id: 'r',
          refresher: 'production',
          endpoint: '4m7x2k9q',
          run: 'r',
          image: 'sha256:0123456789',
          startedAt: source.eventLog.scalars.now - hourMs,
          endedAt: source.eventLog.scalars.now,
          verdict: 'broken',
          why: 'it cannot start',
          back: 'works',
        });
        source.eventLog.flush();
        await expect.poll(() => page.locator('.t-rollout.back').count(), { timeout: 20_000 }).toBe(1);
      },
    ],
    [
      'live, with an alarm and an error',
      async () => {
        source.eventLog.put('alarms', {
          id: 'stack-RunFailed',
          isOpen: true,
          description: 'First: docs/runbook.md, RunFailed.',
          link: 'https://example.com/alarm',
        });
        source.eventLog.set({
          mode: 'live',
          trouble: 'AWS answered 403.',
          sentence: { severity: 'critical', pieces: ['production: it failed.'] },
        });
        source.eventLog.flush();
        await expect.poll(() => page.locator('#stale').innerText(), { timeout: 20_000 }).toContain('403');
      },
    ],
    [
      'empty',
      async () => {
        for (const name of ['refreshers', 'endpoints', 'runs', 'tokens', 'workers', 'mails'] as const)
          for (const { id } of all(name)) source.eventLog.remove(name, id);
        source.eventLog.flush();
        await expect.poll(() => page.locator('#rows > li').count(), { timeout: 20_000 }).toBe(0);
      },
    ],
    [
      'disconnected',
      async () => {
        await served.close();
        await expect.poll(() => page.getAttribute('body', 'class'), { timeout: 20_000 }).toBe('stale');
      },
    ],
  ])('is accessible, light and dark, wide and narrow: %s', async (what, happens) => {
    await turn('speed 0');
    await until(() => source.eventLog.scalars.speed === 0);
    await happens();
    for (const [colorScheme, width] of [
      ['light', 1440],
      ['dark', 1440],
      ['light', 390],
      ['dark', 390],
    ] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width, height: 900 });
      expect(await violations(), `${colorScheme} ${width}`).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
    }
    if (what === 'disconnected') await serve();
  });

  it('tells by shapes what it tells by colours, where colours are forced', async () => {
    await turn('runpod 503');
    await turn('refresh');
    await page.emulateMedia({ forcedColors: 'active' });
    await page.waitForSelector('.t-outage');
    const swatches = await page.evaluate(`[...document.querySelectorAll('.swatch')].map((each) => {
      const { backgroundColor, backgroundImage } = getComputedStyle(each);
      return backgroundImage !== 'none' || backgroundColor !== getComputedStyle(document.body).backgroundColor;
    })`);
    expect(swatches).toEqual(expect.arrayContaining([true]));
    expect(swatches).not.toContain(false);
    for (const row of await page.locator('#rows > li p b').allInnerTexts()) expect(row).toMatch(/^[✕■▲◆?●] \w/);
    for (const step of await page.locator('#path .step').allInnerTexts()) expect(step).toMatch(/^[·○●↻✕] /);
    // Each way in which a row can stand, and each colour of a proof, has a shape of its own.
    const { eventLog } = source;
    const { now } = eventLog.scalars;
    const states = {
      failed: { endsAt: now + 8 * hourMs, proofs: { failed: 1 } },
      expired: { endsAt: now - hourMs },
      late: { endsAt: now + hourMs },
      degraded: { endsAt: now + 8 * hourMs, proofs: { degraded: 1 } },
      unknown: {},
      well: { endsAt: now + 8 * hourMs, proofs: { tested: 1 } },
    };
    for (const [id, state] of Object.entries(states))
      eventLog.put('refreshers', { id, title: id, isOurs: true, ...state });
    for (const proof of ['failed', 'degraded', 'observed', 'tested'])
      eventLog.put('endpoints', { id: proof, refresher: 'late', name: '', proof, at: now - hourMs });
    eventLog.flush();
    const shapes = new Set<string>();
    for (const id of Object.keys(states)) {
      await expect.poll(() => page.locator(`[data-row="${id}"] p b`).innerText()).toMatch(new RegExp(`^. ${id}$`));
      shapes.add((await page.locator(`[data-row="${id}"] p b`).innerText()).slice(0, 1));
    }
    expect(shapes.size).toBe(Object.keys(states).length);
    await page.click('#tab-endpoints');
    for (const [proof, shape] of [
      ['failed', '✕'],
      ['degraded', '◆'],
      ['observed', '●'],
      ['tested', '●'],
    ])
      await expect.poll(() => page.locator(`#endpoints b:text-is("${shape} ${proof}")`).count()).toBeGreaterThan(0);
    expect(await page.locator('#mark').innerText()).toMatch(/^[●▲✕]/);
    expect(await violations()).toEqual([]);
  });

  it('has forty targets of three endpoints on two screens', async () => {
    await turn('speed 0');
    await page.click('#drawer summary');
    await page.setViewportSize({ width: 1440, height: 900 });
    const { eventLog } = source;
    const { now } = eventLog.scalars;
    for (const { id } of all('refreshers')) eventLog.remove('refreshers', id);
    for (let index = 0; index < 40; index += 1) {
      const id = `target-${index}-${'x'.repeat(20)}`;
      eventLog.put('refreshers', { id, title: id, isOurs: true, endsAt: now + 8 * hourMs, proofs: { tested: 3 } });
      eventLog.put('tokens', { id, refresher: id, storedAt: now - 4 * hourMs, expiresAt: now + 8 * hourMs });
      for (const each of [1, 2, 3])
        eventLog.put('endpoints', {
          id: `${index}-${each}`,
          refresher: id,
          name: `images-${each}`,
          proof: 'tested',
          at: now,
        });
    }
    eventLog.flush();
    await expect.poll(() => page.locator('#rows > li').count(), { timeout: 20_000 }).toBe(40);
    // What is not on the screen has a height that is guessed, until it has been there.
    await page.locator('#rows > li').last().scrollIntoViewIfNeeded();
    expect(
      await page.evaluate('document.querySelector("#rows").getBoundingClientRect().bottom + window.scrollY'),
    ).toBeLessThanOrEqual(2 * 900);
  });

  it('keeps still for whoever asked for reduced motion', async () => {
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await turn('speed 3600');
    const moves = await page.evaluate(`new Promise((resolve) => {
      let moves = 0;
      new MutationObserver(() => { moves += 1; }).observe(document.querySelector('.lane svg'), { attributes: true, subtree: true, attributeFilter: ['x'] });
      setTimeout(() => resolve(moves), 2000);
    })`);
    expect(moves).toBeGreaterThan(0);
    expect(moves).toBeLessThan(8);
  });
});
