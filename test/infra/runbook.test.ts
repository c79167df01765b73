import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readFirstSteps, runbookPage } from '../../infra/runbook.ts';

describe('the runbook’s page', () => {
  it.each([
    ['https://github.com/team/refresh.git', 'https://github.com/team/refresh/blob/HEAD/docs/runbook.md'],
    ['https://github.com/team/refresh', 'https://github.com/team/refresh/blob/HEAD/docs/runbook.md'],
    ['https://user:secret@github.com/team/refresh.git\n', 'https://github.com/team/refresh/blob/HEAD/docs/runbook.md'],
    ['git@github.com:team/refresh.git', 'https://github.com/team/refresh/blob/HEAD/docs/runbook.md'],
    [
      'ssh://git@git.example.com:2222/team/refresh.git',
      'https://git.example.com/team/refresh/blob/HEAD/docs/runbook.md',
    ],
    ['https://gitlab.com/group/sub/refresh.git', 'https://gitlab.com/group/sub/refresh/-/blob/HEAD/docs/runbook.md'],
    ['git@bitbucket.org:team/refresh.git', 'https://bitbucket.org/team/refresh/src/HEAD/docs/runbook.md'],
  ])('of a clone of %j is %s', (origin, page) => {
    expect(runbookPage(origin)).toBe(page);
  });

  it.each([
    '',
    '/srv/git/refresh.git',
    '../refresh',
    'C:\\git\\refresh',
    'file:///srv/refresh.git',
  ])('is not known for a clone of %j', (origin) => {
    expect(runbookPage(origin)).toBeUndefined();
  });
});

describe('what to do first', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));

  it('is the section’s address where the runbook has one', () => {
    expect(readFirstSteps(root, 'https://example.com/runbook.md').NoSuccess).toBe(
      'https://example.com/runbook.md#nosuccess',
    );
  });

  it('is what the section says where it has none, in plain text', () => {
    const steps = readFirstSteps(root, '');
    expect(steps.EventsLost).toBe(
      'Mend what it names (usually a permission), start a run by hand, then purge the queue. (docs/runbook.md, EventsLost)'.replace(
        'Mend',
        'mend',
      ),
    );
    expect(steps.PushesNotHeard).toBe('see RefreshNotStartedError. (docs/runbook.md, PushesNotHeard)');
    for (const step of Object.values(steps)) expect(step).not.toMatch(/`|\]\(|^ \(/);
  });
});
