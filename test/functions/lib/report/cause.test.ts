import { describe, expect, it } from 'vitest';
import { failureSchema, messageOfFailure } from '../../../../functions/lib/report/cause.ts';
import { explainError } from '../../../../functions/lib/report/platform-errors.ts';

const saying = (cause: string) => messageOfFailure({ Error: 'States.Timeout', Cause: cause });

describe('what a failure says', () => {
  it('is the message of a function’s error, without its stack trace', () => {
    expect(saying('{"errorType":"X","errorMessage":"Runpod is away.","trace":["at a"]}')).toBe('Runpod is away.');
  });

  it('is at most 1000 characters of that', () => {
    expect(saying(JSON.stringify({ errorMessage: 'x'.repeat(1000) }))).toBe('x'.repeat(1000));
    expect(saying(JSON.stringify({ errorMessage: `${'x'.repeat(1000)}y` }))).toBe('x'.repeat(1000));
  });

  it.each(['The state ran too long.', '{"other":1}', '7'])('is the cause itself where it is %s', (cause) => {
    expect(saying(cause)).toBe(cause);
  });

  it.each([
    '',
    '   ',
    '{"errorMessage":""}',
    '{"errorMessage":"  "}',
  ])('is what its name means where it is %j', (cause) => {
    expect(saying(cause)).toBe(explainError('States.Timeout'));
    expect(saying(cause)).not.toBe('');
  });

  it('may be left out', () => {
    expect(failureSchema.parse({ Error: 'States.Timeout' })).toEqual({ Error: 'States.Timeout', Cause: '' });
  });
});
