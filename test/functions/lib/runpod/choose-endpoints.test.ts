import { describe, expect, it } from 'vitest';
import { chooseEndpoints, describeHurt } from '../../../../functions/lib/runpod/choose-endpoints.ts';
import type { Endpoint } from '../../../../functions/lib/runpod/management.ts';

const registry = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
const endpoint = (id: string, credential: string | null): Endpoint => ({
  id,
  name: `named ${id}`,
  image: `${registry}/team/worker:v1`,
  registry: credential,
  workers: { max: 3 },
});
const runpod = { apiKey: 'ssm:/key', registry: '6n2k8v4d' };

describe('the endpoints of a target', () => {
  const [a, b, c] = [endpoint('a', '6n2k8v4d'), endpoint('b', 'other'), endpoint('c', '6n2k8v4d')];

  it('are those that use its credential, in the order of their ids', () => {
    expect(chooseEndpoints({ runpod }, [c, b, a])).toEqual([
      { id: 'a', isNamed: false, endpoint: a },
      { id: 'c', isNamed: false, endpoint: c },
    ]);
  });

  it('are those that it names, there or not, with what it says of them', () => {
    const canary = { input: { prompt: 'hi' } };
    const endpoints = [{ id: 'gone' }, { id: 'b', canary }];
    expect(chooseEndpoints({ runpod, endpoints }, [c, b, a])).toEqual([
      { id: 'b', isNamed: true, canary, endpoint: b },
      { id: 'gone', isNamed: true, endpoint: undefined },
    ]);
  });
});

describe('a login that a token takes the place of', () => {
  const ecr = { region: 'us-east-1' };
  const user = (image: string, name = 'images') => ({ name, image });

  it.each([
    [`${registry}/team/worker:v1`, { region: 'us-east-1' }, false],
    [`${registry}/team/worker:v1`, { region: 'us-east-1', registryId: '123456789012' }, false],
    [`${registry}/team/worker:v1`, { region: 'us-east-1', registryId: '999999999999' }, true],
    [`${registry}/team/worker:v1`, { region: 'eu-west-1' }, true],
    ['ghcr.io/team/worker:v1', { region: 'us-east-1' }, true],
    ['team/worker:v1', { region: 'us-east-1' }, true],
    ['Not an image', { region: 'us-east-1' }, false],
  ])('is that of %s beside %j: %s', (image, of, isHurt) => {
    expect(describeHurt([user(image)], of)).toHaveLength(isHurt ? 1 : 0);
  });

  it('is told with who uses it, up to five of them, and what to do', () => {
    expect(describeHurt([user(`${registry}/a:v1`), user('ghcr.io/a:v1'), user('b:v1', 'pods')], ecr)).toEqual([
      'images uses the credential for ghcr.io/a:v1; pods uses the credential for b:v1: of another registry, whose login this token takes the place of, and nobody can read it back. Give them a credential of their own.',
    ]);
    const many = (count: number) =>
      describeHurt(
        Array.from({ length: count }, (_, at) => user('b:v1', `n${at}`)),
        ecr,
      )[0];
    expect(many(5)).not.toContain('more');
    expect(many(7)).toContain('n4 uses the credential for b:v1; and 2 more: of another registry');
    expect(many(7)).not.toContain('n5');
  });
});
