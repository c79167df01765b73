import { describe, expect, it } from 'vitest';
import { LineCounter, parseDocument } from 'yaml';
import { findPastedKeys, lineOf, withoutKeys } from '../../../functions/lib/targets-mistakes.ts';

const today = `rpa_${'A1b2'.repeat(5)}`;
const older = 'A1B2'.repeat(10);

describe('a key that was pasted into a file', () => {
  it('is found by its line, and not repeated', () => {
    const found = findPastedKeys(`targets:\n# apiKey: ${today}\n  x: 1\n  apiKey: ${older}`);
    expect(found).toEqual([
      expect.stringMatching(
        /^line 2: expected no secret, found what looks like a Runpod API key \(withheld\)\. Revoke it/,
      ),
      expect.stringMatching(/^line 4: /),
    ]);
    expect(found.join()).not.toMatch(/A1b2|A1B2/);
  });

  it.each([
    'ssm:/runpod/key',
    `rpa_${'x'.repeat(15)}`,
    'A'.repeat(40),
    '1'.repeat(40),
    'A1B2'.repeat(10).slice(1),
    `${older}A`,
    older.toLowerCase(),
  ])('is not %s', (text) => expect(findPastedKeys(`apiKey: ${text}`)).toEqual([]));

  it('is taken out of what is said, and all that begins like one', () => {
    expect(withoutKeys(`found ${today} and ${older}, and ${today}`)).toBe(
      'found (withheld) and (withheld), and (withheld)',
    );
    expect(withoutKeys('found rpa_short and rpa_')).toBe('found (withheld) and rpa_');
    expect(withoutKeys('found nothing')).toBe('found nothing');
  });
});

describe('the line of a thing', () => {
  const text = `# of people
targets:
  - name: one

  - name: two
    endpoints:
      - id: a
      - id: b
12: twelve
`;
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });

  it.each<readonly [readonly PropertyKey[], number]>([
    [[], 1],
    [['targets'], 2],
    [['targets', 0], 3],
    [['targets', 0, 'name'], 3],
    [['targets', 1], 5],
    [['targets', 1, 'endpoints'], 6],
    [['targets', 1, 'endpoints', 1, 'id'], 8],
    [['12'], 9],
  ])('at %j is %d', (path, line) => expect(lineOf(document, lines, path)).toBe(line));

  it.each<readonly [readonly PropertyKey[], number]>([
    [['settings'], 1],
    [['targets', 0, 'ecr', 'region'], 3],
    [['targets', 5], 2],
    [['targets', 1, 'endpoints', 0, 'canary'], 7],
    [['targets', 0, 'name', 'first'], 3],
  ])('that is missing at %j is that of what should hold it, %d', (path, line) => {
    expect(lineOf(document, lines, path)).toBe(line);
  });

  it('of an empty document is its first', () => {
    const counter = new LineCounter();
    expect(lineOf(parseDocument('', { lineCounter: counter }), counter, ['targets'])).toBe(1);
  });
});
