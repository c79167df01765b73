import { describe, expect, it } from 'vitest';
import { parseFirstSteps, readFirstSteps, whatToDo } from '../../../../functions/lib/report/runbook.ts';

const runbook = `# Runbook

**Do:** nothing of this.

### RunpodUnauthorizedError

What it means.

**Do:** Store \`a key\` as [the settings](settings.md#keys) and [the guide](guide.md) say.  

Not **Do:** this.

### Words

It quotes **Do:** nothing here.

### Quiet
`;

describe('the first step of a section', () => {
  it('is the line that says what to do, as plain text', () => {
    expect(parseFirstSteps(runbook).RunpodUnauthorizedError).toBe('Store a key as the settings and the guide say.');
  });

  it('is empty where no line says it', () => {
    const steps = parseFirstSteps(runbook);
    expect(steps).toMatchObject({ Words: '', Quiet: '' });
    expect(Object.keys(steps)).toEqual(['RunpodUnauthorizedError', 'Words', 'Quiet']);
  });
});

describe('the runbook of a bundle', () => {
  it('is read where the bundle has one', () => {
    const log = { info: () => expect.unreachable(), error: () => expect.unreachable() };
    expect(readFirstSteps(log).RunpodUnauthorizedError).toMatch(/\w/);
  });

  it('is none where the bundle lacks it, which the log says', () => {
    const logged: string[] = [];
    const log = { info: () => {}, error: (message: string) => void logged.push(message) };
    expect(readFirstSteps(log, 'docs/none.md')).toEqual({});
    expect(logged).toEqual(['The bundle lacks docs/none.md']);
  });
});

describe('what to do', () => {
  const steps = { RunpodUnauthorizedError: 'Store a key.' };

  it('is where the runbook says it, whatever the section’s case', () => {
    expect(whatToDo('RunpodUnauthorizedError', 'https://a.example/r', steps)).toBe(
      'https://a.example/r#runpodunauthorizederror',
    );
  });

  it('is what the runbook says where it has no address', () => {
    expect(whatToDo('runpodunauthorizederror', '', steps)).toBe(
      'Store a key. (docs/runbook.md, RunpodUnauthorizedError)',
    );
  });

  it('is to look there where the section is not known', () => {
    expect(whatToDo('Other', '', steps)).toBe('see (docs/runbook.md, Other)');
  });
});
