import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { createDiscoverEndpoints } from '../../functions/discover-endpoints.ts';
import { packedImagesSchema } from '../../functions/lib/ecr/packed-images.ts';
import type { Memory } from '../../functions/lib/memory/memory.ts';
import type { Delegation } from '../../functions/lib/runpod/delegations.ts';
import type { Target } from '../../functions/lib/targets.ts';
import { executionArn } from '../../simulator/inputs.ts';
import { createMemoryOf } from '../support/memories.ts';

const target: Target = { name: 'a', ecr: { region: 'us-east-1' }, runpod: { apiKey: 'ssm:/k', registry: 'cred' } };
const endpoint = (id: string, registry: string | null = 'cred') => ({
  id,
  name: id,
  image: `123456789012.dkr.ecr.us-east-1.amazonaws.com/of-${id}`,
  registry,
  workers: { max: undefined },
});

const discover = (
  of: Target,
  all: ReturnType<typeof endpoint>[],
  otherUsers: () => Promise<Array<{ name: string; image: string }>> = async () => [],
  {
    others = [],
    delegations = async () => [],
    trigger = 'schedule',
    memory = createMemoryOf(),
  }: { others?: Target[]; delegations?: () => Promise<Delegation[]>; trigger?: string; memory?: Memory } = {},
) =>
  createDiscoverEndpoints({
    memory,
    log: { info: () => {}, error: () => {} },
    now: () => Date.parse('2026-11-23T12:00:00Z'),
    loadTargets: () => [of, ...others],
    runpodFor: () => ({
      requireCredential: async () => {},
      isKnownToV2: async () => true,
      listEndpoints: async () => all,
      getEndpoint: async () => undefined,
      listWorkers: async () => [],
      listTemplatesAndPods: async () => [],
      listOtherUsers: otherUsers,
      listDelegations: delegations,
    }),
  })({ name: 'a', execution: executionArn, trigger });

describe('discover-endpoints', () => {
  it('counts every endpoint that uses the credential, and packs their images', async () => {
    const found = await discover(target, [
      endpoint('one'),
      { ...endpoint('other', 'else'), image: 'busybox' },
      { ...endpoint('none', null), image: 'busybox' },
    ]);
    expect(found).toMatchObject({ endpoints: 1, canaries: 0, warnings: [] });
    expect(z.parse(packedImagesSchema, found.images)).toEqual(['123456789012.dkr.ecr.us-east-1.amazonaws.com/of-one']);
  });

  it('keeps to the endpoints that targets.yml names, there or not', async () => {
    const named = { ...target, endpoints: [{ id: 'other' }, { id: 'gone', canary: { input: { a: 1 } } }] };
    const found = await discover(named, [endpoint('one'), endpoint('other', 'else')]);
    expect(found).toMatchObject({ endpoints: 2, canaries: 1 });
    // A job costs GPU time, and pushes come as often as people push.
    for (const trigger of ['push', 'deploy', 'manual']) {
      expect(await discover(named, [endpoint('one')], undefined, { trigger })).toMatchObject({ canaries: 0 });
    }
    expect(z.parse(packedImagesSchema, found.images)).toEqual([
      '123456789012.dkr.ecr.us-east-1.amazonaws.com/of-other',
    ]);
  });

  it('has room for a thousand endpoints of a thousand images pinned by their digests, and says what it leaves out', async () => {
    const host = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
    const pinned = (index: number, repository = 'team/worker') =>
      `${host}/${repository}-${index}:v1@sha256:${createHash('sha256').update(String(index)).digest('hex')}`;
    const thousand = Array.from({ length: 1000 }, (_, index) => ({ ...endpoint(`ep${index}`), image: pinned(index) }));
    const found = await discover(target, thousand);
    expect(found).toMatchObject({ endpoints: 1000, warnings: [] });
    expect(z.parse(packedImagesSchema, found.images)).toHaveLength(1000);
    expect(JSON.stringify(found).length).toBeLessThan(66 * 1024);
    const noise = (index: number) => createHash('sha512').update(String(index)).digest('hex').repeat(2).slice(0, 230);
    const many = Array.from({ length: 3000 }, (_, index) => ({
      ...endpoint(`ep${index}`),
      image: pinned(index, noise(index)),
    }));
    const cut = await discover(target, many);
    expect(cut.warnings).toEqual([expect.stringMatching(/^\d+ images of what uses the credential do not fit a run/)]);
    expect(JSON.stringify(cut).length).toBeLessThan(66 * 1024);
  });

  it('goes on without the templates and pods it may not list', async () => {
    const { warnings, otherUsers } = await discover(target, [], () => Promise.reject(new Error('Runpod refused.')));
    expect(otherUsers).toEqual([]);
    expect(warnings).toEqual(['Templates and pods that use the credential are not known: Runpod refused.']);
  });

  it('reports at most fifty of them', async () => {
    const { otherUsers } = await discover(target, [], async () =>
      Array.from({ length: 60 }, (_, index) => ({ name: `pod p${index}`, image: '' })),
    );
    expect(otherUsers).toHaveLength(50);
  });

  it('says which registries what uses the credential pulls from, watched or not', async () => {
    const ecr = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
    const named = { ...target, endpoints: [{ id: 'other' }] };
    const all = [
      { ...endpoint('one'), image: 'team/worker:v1' },
      { ...endpoint('odd'), image: 'https://no.reference' },
      { ...endpoint('other', 'else'), image: 'quay.io/team/worker' },
    ];
    const users = async () => [{ name: 'pod p1', image: `${ecr}/team/worker:v1` }];
    expect((await discover(named, all, users)).registries).toEqual([ecr, 'docker.io']);
  });

  it('refuses a target that has left targets.yml', async () => {
    await expect(discover({ ...target, name: 'b' }, [])).rejects.toMatchObject({
      name: 'ConfigurationError',
      message: expect.stringContaining('no target a any more'),
    });
  });

  describe('of endpoints that pull from the registry without the credential', () => {
    const host = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
    const pulling = (id: string, registry: string | null, image = `${host}/team/worker:v1`) => ({
      ...endpoint(id, registry),
      image,
    });
    const delegation: Delegation = { repository: 'team/worker', dockerRegistryUri: host };
    const other: Target = { ...target, name: 'b', runpod: { apiKey: 'ssm:/k', registry: 'theirs' } };

    it('tells by name, what they use and what will come of it', async () => {
      const all = [pulling('one', 'cred'), pulling('bare', null), { ...pulling('stray', 'another'), name: '' }];
      const { unmanaged, warnings, endpoints } = await discover(target, all);
      expect(unmanaged).toEqual(['bare (bare)', 'stray']);
      expect(warnings).toEqual([
        `Endpoint bare (bare) pulls ${host}/team/worker:v1 with no credential: it fails at its next cold start.`,
        expect.stringMatching(
          /^Endpoint stray pulls .* with credential another, which no target of targets\.yml keeps fresh/,
        ),
      ]);
      expect(endpoints).toBe(1);
    });

    it.each([
      ['that use the credential of another target', pulling('x', 'theirs'), target],
      ['that targets.yml ignores', pulling('x', null), { ...target, ignore: ['x'] }],
      ['that it names, which are looked at', pulling('x', null), { ...target, endpoints: [{ id: 'x' }] }],
      ['whose image is in another account', pulling('x', null, `2${host.slice(1)}/a:1`), target],
      ['whose image is in another region', pulling('x', null, `${host.replace('us-east-1', 'us-west-2')}/a:1`), target],
      ['whose image is elsewhere', pulling('x', null, 'runpod/base:latest'), target],
    ])('says nothing of those %s', async (_, found, of) => {
      const { unmanaged, warnings } = await discover(of, [found], undefined, { others: [other] });
      expect([unmanaged, warnings]).toEqual([[], []]);
    });

    it('knows the registry’s account from the target, where it has another one', async () => {
      const theirs = { ...target, ecr: { ...target.ecr, registryId: '223456789012' } };
      const { unmanaged } = await discover(theirs, [pulling('x', null, `2${host.slice(1)}/a:1`), pulling('y', null)]);
      expect(unmanaged).toEqual(['x (x)']);
    });

    it('says nothing of one without a credential whose repository is delegated to Runpod', async () => {
      const delegations = async () => [delegation];
      const all = [pulling('bare', null), pulling('else', null, `${host}/team/other:v1`), pulling('stray', 'another')];
      const { unmanaged } = await discover(target, all, undefined, { delegations });
      expect(unmanaged).toEqual(['else (else)', 'stray (stray)']);
    });

    it('asks for delegations only where they matter, and does without them', async () => {
      const delegations = () => Promise.reject(new Error('Runpod refused.'));
      expect((await discover(target, [pulling('bare', null)], undefined, { delegations })).unmanaged).toHaveLength(1);
      let asked = false;
      await discover(target, [pulling('stray', 'another')], undefined, {
        delegations: async () => {
          asked = true;
          return [];
        },
      });
      expect(asked).toBe(false);
    });

    it('asks for delegations when all else of the key has been answered: what they wait for, they wait for, too', async () => {
      let isAnswered = false;
      const otherUsers = async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        isAnswered = true;
        return [];
      };
      const delegations = async () => (isAnswered ? [delegation] : []);
      expect((await discover(target, [pulling('bare', null)], otherUsers, { delegations })).unmanaged).toEqual([]);
    });

    it('names twenty, and counts the rest', async () => {
      const { unmanaged, warnings } = await discover(
        target,
        Array.from({ length: 30 }, (_, index) => pulling(`e${index}`, null)),
      );
      expect([unmanaged.length, warnings.length, warnings.at(-1)]).toEqual([20, 21, 'So do 10 more.']);
    });
  });

  describe('of endpoints that have left the credential', () => {
    const elsewhere = (id: string, registry: string | null) => ({ ...endpoint(id, registry), image: 'acme/worker:1' });
    const other: Target = { ...target, name: 'b', runpod: { apiKey: 'ssm:/k', registry: 'theirs' } };

    it.each([
      ['none', null, 'with no credential\\.'],
      ['another one', 'hub', 'with credential hub\\.'],
      ['another target’s', 'theirs', 'with credential theirs, which target b keeps fresh\\.'],
    ])('tells what they use now: %s', async (_what, registry, words) => {
      const memory = createMemoryOf();
      const first = await discover(target, [endpoint('x'), endpoint('y')], undefined, { memory, others: [other] });
      expect(first.left).toEqual([]);
      const found = await discover(target, [elsewhere('x', registry), endpoint('y')], undefined, {
        memory,
        others: [other],
      });
      expect(found.left).toEqual([
        {
          endpoint: 'x',
          evidence: expect.stringMatching(
            `^Endpoint x \\(x\\) no longer uses credential cred: it pulls acme/worker:1 ${words} Where that was not meant`,
          ),
        },
      ]);
      expect(found.warnings).toEqual(found.left.map(({ evidence }) => evidence));
    });

    it('tells again what no run came to report, and nothing that one has', async () => {
      const memory = createMemoryOf();
      const look = () => discover(target, [elsewhere('x', null)], undefined, { memory });
      await discover(target, [endpoint('x')], undefined, { memory });
      expect((await look()).left).toHaveLength(1);
      const { left } = await look();
      expect(left).toHaveLength(1);
      const outcome = { target: 'a', refreshed: true, proofs: {}, endpoints: [], left };
      memory.records['target a'] = { last: { at: '2026-11-23T12:00:00Z', execution: '', trigger: '', outcome } };
      expect((await look()).left).toEqual([]);
      delete memory.records['target a'];
      expect((await look()).left).toEqual([]);
    });

    it('tells of more than ten in the runs that follow', async () => {
      const memory = createMemoryOf();
      const ids = Array.from({ length: 12 }, (_, index) => `e${index}`);
      await discover(
        target,
        ids.map((id) => endpoint(id)),
        undefined,
        { memory },
      );
      const look = () =>
        discover(
          target,
          ids.map((id) => elsewhere(id, null)),
          undefined,
          { memory },
        );
      const { left } = await look();
      expect(left).toHaveLength(10);
      const outcome = { target: 'a', refreshed: true, proofs: {}, endpoints: [], left };
      memory.records['target a'] = { last: { at: '2026-11-23T12:00:00Z', execution: '', trigger: '', outcome } };
      expect((await look()).left).toHaveLength(2);
    });

    it.each<readonly [string, Target, ReturnType<typeof endpoint>[]]>([
      ['that were deleted', target, []],
      ['that targets.yml ignores', { ...target, ignore: ['x'] }, [elsewhere('x', null)]],
      ['that targets.yml names, whose proof says it', { ...target, endpoints: [{ id: 'x' }] }, [elsewhere('x', null)]],
      ['that are told of as pulling from the registry without it', target, [endpoint('x', null)]],
      [
        'where the target has got another credential',
        { ...target, runpod: { apiKey: 'k', registry: 'new' } },
        [elsewhere('x', 'cred')],
      ],
    ])('says nothing of those %s', async (_what, of, all) => {
      const memory = createMemoryOf();
      await discover(target, [endpoint('x')], undefined, { memory });
      expect((await discover(of, all, undefined, { memory })).left).toEqual([]);
    });

    it('goes on without a memory', async () => {
      const fail = () => Promise.reject(new Error('no table'));
      const found = await discover(target, [endpoint('x')], undefined, {
        memory: { ...createMemoryOf(), read: fail, change: fail },
      });
      expect(found).toMatchObject({ endpoints: 1, left: [] });
    });
  });

  it('warns of what uses the credential for images of another registry', async () => {
    const { warnings } = await discover(
      target,
      [
        { ...endpoint('hub'), image: 'acme/private:1' },
        { ...endpoint('mine'), image: '123456789012.dkr.ecr.us-east-1.amazonaws.com/a:1' },
      ],
      async () => [{ name: 'pod lab', image: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/a:1' }],
    );
    expect(warnings.join('\n')).toMatch(
      /hub uses the credential for acme\/private:1; pod lab uses the credential for .*eu-west-1.*of another registry/,
    );
    expect(warnings.join('\n')).not.toContain('mine');
  });
});
