import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { composeRehearsals } from '../../cli/alert/rehearsals.ts';
import { alertKinds } from '../../functions/lib/report/alerts.ts';
import { writeMessages } from '../../functions/lib/report/messages.ts';
import { World } from '../../simulator/world.ts';
import { run } from '../support/command.ts';

const now = Date.parse('2026-11-23T12:50:00Z');
const execution = 'arn:aws:states:us-east-1:123456789012:execution:runpod-ecr-refresh-prod:run-1';

let world: World;
beforeAll(async () => {
  world = await World.begin();
});
afterAll(() => world.end());

const alert = (...words: string[]) => run(world, ['alert', ...words], { now: () => now });

/** Indented, so that people can read it. */
const pretty = (text: string): string => JSON.stringify(JSON.parse(text), undefined, 2);

describe('each kind of alert in each severity', () => {
  const rehearsals = composeRehearsals(now);

  it('is rehearsed', () => {
    expect([...new Set(rehearsals.map(({ kind, severity }) => `${kind} ${severity}`))]).toEqual([
      'delayed warning',
      'delayed critical',
      'failed warning',
      'failed critical',
      'degraded warning',
      'recovered info',
      'left warning',
      'rollout critical',
      'rollout warning',
      'rollout info',
      'digest info',
      'digest warning',
      'digest critical',
    ]);
    expect([...new Set(rehearsals.map(({ kind }) => kind))]).toEqual([...alertKinds]);
  });

  it.each(
    rehearsals.map(
      (each, index) =>
        [`${each.kind}-${each.severity}-${each.alerts[0].section.toLowerCase()}`, rehearsals[index]] as const,
    ),
  )('reads for every protocol as in messages/%s.txt', async (name, rehearsal) => {
    if (rehearsal === undefined) throw new Error('nothing to read');
    const messages = writeMessages(rehearsal.alerts, { execution, runbook: 'https://example.com/runbook.md' });
    expect(messages.subject.length).toBeLessThan(100);
    expect(messages.sms.length).toBeLessThan(140);
    const text = [
      `=== email\nSubject: ${messages.subject}\n\n${messages.email}`,
      `=== sms\n${messages.sms}`,
      `=== https and sqs\n${pretty(messages.machine)}`,
      `=== chat\n${pretty(messages.chat)}`,
    ].join('\n\n');
    await expect(`${text}\n`).toMatchFileSnapshot(`messages/${name}.txt`);
  });
});

describe('npm run alert', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'alert-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('shows a letter, an SMS or JSON, as its reader would get it', async () => {
    const words = ['--kind', 'failed', '--severity', 'warning', '--to'];
    expect((await alert(...words, 'me@example.com')).printed).toMatch(
      /^To: me@example\.com\nSubject: \[WARNING\] .+\n\nSomething needs a look today\./,
    );
    expect((await alert(...words, '+15555550100')).printed).toMatch(/^To: \+15555550100\n\nWARNING failed: production/);
    const { printed } = await alert(...words, 'https://pager.example.com/x');
    expect(printed).toMatch(/^POST https:\/\/pager\.example\.com\/x\n/);
    expect(JSON.parse(printed.slice(printed.indexOf('{')))).toMatchObject({ severity: 'warning', kind: 'failed' });
  });

  it('says itself what to do where the runbook has no address', async () => {
    const { printed } = await alert('--kind', 'recovered');
    expect(printed).toContain('What to do: nothing. (docs/runbook.md, recovered)');
  });

  it('shows every alert when told nothing', async () => {
    const { code, printed } = await alert();
    expect(code).toBe(0);
    expect(printed.match(/^Subject: /gm)).toHaveLength(composeRehearsals(now).length);
  });

  it('says where a page cannot be written', async () => {
    const { code, printedErrors } = await alert('--html', 'no/such/alerts.html');
    expect(printedErrors).toContain('--html: expected a file that can be written, found "no/such/alerts.html" (ENOENT');
    expect(code).toBe(2);
  });

  it('writes a page on which nothing becomes markup', async () => {
    const file = join(folder, 'alerts.html');
    expect(await alert('--html', file, '--runbook', 'https://example.com/<script>')).toMatchObject({ code: 0 });
    const page = readFileSync(file, 'utf8');
    expect(page.match(/<section>/g)).toHaveLength(composeRehearsals(now).length);
    expect(page).toContain('&lt;script&gt;');
    expect(page).not.toContain('<script');
  });

  it('teaches by example', async () => {
    expect(await alert('--help')).toMatchObject({ code: 0, printed: expect.stringContaining('--kind failed --to') });
  });

  it.each([
    [
      ['--kind', 'odd'],
      '--kind: expected one of delayed, failed, degraded, recovered, left, rollout, digest, found "odd".',
    ],
    [['--kind', 'recovered', '--severity', 'critical'], '--severity: expected one of info, found "critical".'],
    [['--to', 'nobody'], '--to: expected an email address'],
    [['--to', 'arn:aws:sns:us-east-1:123456789012:alerts'], '--kind: say which alert'],
    [['--loud'], "unknown option '--loud'"],
  ])('refuses %j', async (words, mistake) => {
    const { code, printedErrors, printed } = await alert(...words);
    expect(code).toBe(2);
    expect(printedErrors).toContain(mistake);
    expect(printed).toBe('');
  });

  it('sends a rehearsal to a topic that is there, and says when it is not', async () => {
    const topic = 'arn:aws:sns:us-east-1:123456789012:runpod-ecr-refresh-dev-alerts';
    expect(await alert('--kind', 'delayed', '--to', topic)).toMatchObject({
      code: 0,
      printed: `Sent to ${topic}: delayed, warning\n`,
    });
    expect(world.sns.inbox.map(({ text }) => text)).toEqual([
      expect.stringContaining('Rehearsal, nothing has happened. production: the refresh has not got through'),
    ]);
    const { sms, https } = world.sns.inbox[0]?.forms ?? {};
    for (const form of [sms, https]) expect(form).toContain('Rehearsal');
    const chatTopic = topic.replace(/alerts$/, 'chat');
    world.sns.topics.add(chatTopic);
    expect(await alert('--kind', 'delayed', '--to', chatTopic)).toMatchObject({ code: 0 });
    const [, chat] = world.sns.inbox;
    expect(JSON.parse(chat?.text ?? '')).toMatchObject({
      source: 'custom',
      content: { description: expect.stringContaining('Rehearsal, nothing has happened. production: ') },
    });
    world.sns.topics.clear();
    expect(await alert('--kind', 'delayed', '--to', topic)).toMatchObject({
      code: 1,
      printedErrors: expect.stringContaining('Topic does not exist'),
    });
  });
});
