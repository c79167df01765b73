import { describe, expect, it } from 'vitest';
import { type Summary, summarise, writeMarkdown } from '../../action/summary.ts';
import { readWords } from '../../action/words.ts';

describe('the inputs of a step', () => {
  it.each<readonly [Record<string, string>, readonly string[]]>([
    [{ command: 'doctor' }, ['doctor', '--json']],
    [
      { command: 'refresh', dry_run: 'true', target: 'a  b', patience: '5', stage: '' },
      ['refresh', '--json', '--dry-run', '--patience=5', '--target=a', '--target=b'],
    ],
    [
      { command: 'rollout', endpoint: '4m7x2k9q', to: '--wait', wait: 'false' },
      ['rollout', '--json', '--to=--wait', '--endpoint=4m7x2k9q'],
    ],
  ])('%j stand for the words %j', (inputs, words) => {
    expect(readWords(environmentOf(inputs))).toEqual(words);
  });

  it.each([
    [{ command: 'setup' }, /^command: expected refresh, rollout, doctor, found "setup"\.$/],
    [{ command: 'refresh', dry_run: 'yes' }, /^dry-run: expected true or false, found "yes"\.$/],
  ])('%j are refused', (inputs, message) => {
    expect(() => readWords(environmentOf(inputs))).toThrow(message);
  });
});

const environmentOf = (inputs: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]));

const report = (targets: readonly object[]): string =>
  JSON.stringify({
    version: 1,
    execution: 'arn',
    trigger: 'manual',
    startedAt: '',
    endedAt: '',
    outcome: 'failed',
    targets,
  });

describe('what is said of a command', () => {
  it('names what failed, and where the runbook is about it', () => {
    const error = { name: 'RunpodUnauthorizedError', message: 'Runpod refused the key.' };
    const printed = report([{ target: 'production', refreshed: false, error, proofs: {}, endpoints: [] }]);
    expect(summarise('refresh', { code: 1, printed, lastError: '' })).toMatchObject({
      outcome: 'failed',
      sentence: 'production: RunpodUnauthorizedError: Runpod refused the key.',
      sections: ['RunpodUnauthorizedError'],
    });
  });

  it('of rollouts is what each endpoint runs, or why that is not known', () => {
    const printed = JSON.stringify([
      { endpoint: 'a', runs: 'v1' },
      { endpoint: 'b', problem: 'No.' },
      { endpoint: 'c' },
    ]);
    const { table } = summarise('rollout', { code: 1, printed, lastError: '' });
    expect(table.slice(1)).toEqual([
      ['a', 'v1'],
      ['b', 'No.'],
      ['c', 'nothing'],
    ]);
  });

  it('of a hold is its sentence', () => {
    const printed = JSON.stringify({ version: 1, endpoint: 'ep', isHeld: true, sentence: 'ep is held.' });
    const said = summarise('rollout', { code: 0, printed, lastError: '' });
    expect(said).toMatchObject({ outcome: 'succeeded', sentence: 'ep is held.' });
  });

  it.each([
    [
      { code: 0, printed: 'It is held.\n', lastError: '' },
      { outcome: 'succeeded', sentence: 'It is held.' },
    ],
    [
      { code: 1, printed: '', lastError: 'AWS refused.' },
      { outcome: 'failed', sentence: 'AWS refused.' },
    ],
    [
      { code: null, printed: '', lastError: '' },
      { outcome: 'failed', sentence: /ended with a signal/ },
    ],
  ])('of %j without a report is what it said', (ended, { outcome, sentence }) => {
    const said = summarise('rollout', ended);
    expect(said.outcome).toBe(outcome);
    expect(said.sentence).toMatch(sentence);
  });
});

describe('the summary of a job', () => {
  const write = (summary: Partial<Summary>): string =>
    writeMarkdown(
      'refresh',
      { outcome: 'failed', sentence: 'It failed.', table: [], sections: [], ...summary },
      'https://github.com/a/b/blob/v1',
      'https://github.com/c/d/actions/runs/1',
    );

  it('links to the run, to the docs and to the runbook', () => {
    const written = write({ sections: ['TokenStaleError'] });
    expect(written).toContain('[This run](https://github.com/c/d/actions/runs/1)');
    expect(written).toContain('](https://github.com/a/b/blob/v1/docs/runbook.md#tokenstaleerror)');
  });

  it('shows as text what Runpod and its hosts say', () => {
    const written = write({ table: [['what'], ['a|b <img src=x>\n[x](https://evil.example) `c`']] });
    expect(written).toContain('| a\\|b &lt;img src=x&gt; \\[x\\](https://evil.example) \\`c\\` |');
  });

  it('is as long as GitHub takes, however many endpoints there are', () => {
    const written = write({ table: [['endpoint'], ...Array.from({ length: 100_000 }, (_, i) => [String(i)])] });
    expect(written).toContain('… and 99800 more, in the output `report`.');
    expect(written.length).toBeLessThan(1_000_000);
  });
});
