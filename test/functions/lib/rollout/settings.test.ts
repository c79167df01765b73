import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../../../functions/lib/errors.ts';
import { describeFollowed, followSame } from '../../../../functions/lib/rollout/settings.ts';
import { parseTargets } from '../../../../functions/lib/targets.ts';

const targets = (...endpoints: string[]): string => `
targets:
  - name: production
    ecr: { region: us-east-1 }
    runpod: { apiKey: "ssm:/key", rolloutKey: "ssm:/rollout-key", registry: 6n2k8v4d }
    endpoints:
${endpoints.map((each) => `      - ${each}`).join('\n')}`;

const messageOf = (yaml: string): string => {
  try {
    parseTargets(yaml);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
  return 'fine';
};

describe('a rollout in targets.yml', () => {
  it('follows a tag, a range of versions, or what was pushed last', () => {
    const [target] = parseTargets(
      targets(
        '{ id: 4m7x2k9q, rollout: { tag: production } }',
        '{ id: 7b3c9d1e, rollout: { tag: production, after: 4m7x2k9q } }',
        "{ id: 2c5f8h1j, rollout: { semver: '^1.4', canary: { input: { prompt: ping } }, proveWithinMinutes: 30 } }",
        "{ id: 9p8q7r6s, rollout: { newest: 'v*' } }",
      ),
    );
    expect(target?.runpod.rolloutKey).toBe('ssm:/rollout-key');
    expect(target?.endpoints?.map(({ rollout }) => rollout)).toEqual([
      { tag: 'production', proveWithinMinutes: 20 },
      { tag: 'production', after: '4m7x2k9q', proveWithinMinutes: 20 },
      { semver: '^1.4', canary: { input: { prompt: 'ping' } }, proveWithinMinutes: 30 },
      { newest: 'v*', proveWithinMinutes: 20 },
    ]);
  });

  it.each([
    ['{}', 'endpoints[0].rollout: expected exactly one of tag, semver, newest'],
    ["{ tag: a, newest: 'v*' }", 'endpoints[0].rollout: expected exactly one of tag, semver, newest'],
    ["{ tag: 'team/worker:v1' }", 'endpoints[0].rollout.tag: expected a tag, such as production'],
    ["{ semver: 'one' }", 'endpoints[0].rollout.semver: expected a range of versions, such as ^1.4, found "one"'],
    ["{ semver: '' }", 'endpoints[0].rollout.semver: expected a range of versions'],
    ["{ newest: 'a b' }", 'endpoints[0].rollout.newest: expected tags, such as v*'],
    ['{ tag: a, proveWithinMinutes: 61 }', 'endpoints[0].rollout.proveWithinMinutes: expected at most 60, found 61'],
    ['{ tag: a, proveWithinMinutes: 0 }', 'endpoints[0].rollout.proveWithinMinutes: expected at least 1, found 0'],
    ['{ tag: a, from: b }', 'endpoints[0].rollout.from: there is no such field'],
    [
      '{ tag: a, after: nobody }',
      'rollout.after: expected an endpoint of this file that has a rollout, found "nobody"',
    ],
    ['{ tag: a, after: plain }', 'rollout.after: expected an endpoint of this file that has a rollout, found "plain"'],
    ['{ tag: a, after: one }', 'endpoints[0].rollout.after: expected no circle, found one after one'],
  ])('is refused where it is %s', (rollout, expected) => {
    expect(messageOf(targets(`{ id: one, rollout: ${rollout} }`, 'plain'))).toContain(expected);
  });

  it('waits for no endpoint that waits for it, however far apart', () => {
    const message = messageOf(
      targets(
        '{ id: one, rollout: { tag: a, after: three } }',
        '{ id: two, rollout: { tag: a, after: one } }',
        '{ id: three, rollout: { tag: a, after: two } }',
        '{ id: last, rollout: { tag: a, after: one } }',
      ),
    );
    expect(message).toContain(
      'endpoints[0].rollout.after: expected no circle, found one after three after two after one',
    );
    expect(message).not.toContain('endpoints[3]');
  });

  it('stands once for an endpoint', () => {
    const endpoint = '{ id: one, rollout: { tag: a } }';
    expect(messageOf(targets(endpoint, endpoint))).toContain(
      'targets[0].endpoints[1].rollout: expected one rollout an endpoint, found another of one',
    );
  });
});

describe('what is followed', () => {
  const proveWithinMinutes = 20;
  const ways = [
    [{ tag: 'production', proveWithinMinutes }, 'tag production'],
    [{ semver: '^1.4', proveWithinMinutes }, 'versions ^1.4'],
    [{ newest: 'v*', proveWithinMinutes }, 'the newest of v*'],
  ] as const;

  it.each(ways)('is read as people say it: %j is "%s"', (settings, text) => {
    expect(describeFollowed(settings)).toBe(text);
  });

  it('is the same where all of it is', () => {
    for (const [one] of ways) {
      for (const [other] of ways) expect(followSame(one, other)).toBe(one === other);
    }
    expect(followSame({ tag: 'a', proveWithinMinutes }, { tag: 'b', proveWithinMinutes })).toBe(false);
    expect(followSame({ tag: 'a', proveWithinMinutes }, { tag: 'a', after: 'x', proveWithinMinutes: 1 })).toBe(true);
  });

  it('is no range of versions where it is blank or none', () => {
    for (const semver of ['" "', 'latest-and-greatest', '">=1 <"']) {
      expect(messageOf(targets(`{ id: 4m7x2k9q, rollout: { semver: ${semver} } }`))).toContain(
        'expected a range of versions, such as ^1.4',
      );
    }
  });
});
