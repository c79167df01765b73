import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { packedImagesSchema } from '../../../../functions/lib/ecr/packed-images.ts';
import { chooseEndpoints } from '../../../../functions/lib/runpod/choose-endpoints.ts';
import { sumUpDiscovered } from '../../../../functions/lib/runpod/discovered.ts';
import { parseTargets } from '../../../../functions/lib/targets.ts';

const host = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
const [target] = parseTargets(`
targets:
  - name: production
    ecr: { region: us-east-1, registryId: "123456789012" }
    runpod: { apiKey: "ssm:/key", registry: cred }
    canaryPod: { image: "runpod-canary:v1", everyHours: 24 }
    endpoints:
      - { id: one, canary: { input: {} }, rollout: { tag: production } }
      - { id: two, rollout: { tag: production } }
      - three
`);
const endpoint = (id: string) => ({
  id,
  name: id,
  image: `${host}/team/worker:${id}`,
  registry: 'cred',
  workers: { max: 1 },
});
const user = (index: number) => ({ name: `template ${index}`, image: `${host}/template:${index}` });
const nothing = { unmanaged: [], left: [], warnings: [] };

const sumUp = (changed: Partial<Parameters<typeof sumUpDiscovered>[1]> = {}) => {
  if (target === undefined) throw new Error('There is a target.');
  return sumUpDiscovered(target, {
    chosen: chooseEndpoints(target, [endpoint('one'), endpoint('three')]),
    seenAt: Date.parse('2026-11-23T12:00:00Z'),
    users: [],
    others: [],
    outOfSight: nothing,
    warnings: [],
    isScheduled: true,
    ...changed,
  });
};

describe('what a target’s credential is used by', () => {
  it('is handed on with its images, its followers, and the pod that is wanted', () => {
    const { images, ...others } = sumUp({ others: [user(1)], users: [user(1)] });
    expect(z.parse(packedImagesSchema, images)).toEqual([
      `${host}/team/worker:one`,
      `${host}/team/worker:three`,
      `${host}/template:1`,
    ]);
    expect(others).toEqual({
      target: {
        name: 'production',
        ecr: { region: 'us-east-1', registryId: '123456789012' },
        runpod: { apiKey: 'ssm:/key', registry: 'cred' },
      },
      endpoints: 3,
      canaries: 1,
      otherUsers: [user(1)],
      registries: [host],
      unmanaged: [],
      left: [],
      warnings: [],
      followers: [
        { id: 'one', image: `${host}/team/worker:one`, seenAt: '2026-11-23T12:00:00Z' },
        // It is not there: whatever rolls out finds so.
        { id: 'two', image: '', seenAt: '2026-11-23T12:00:00Z' },
      ],
      canaryPod: { image: 'runpod-canary:v1', everyHours: 24 },
    });
  });

  it('has no canaries but in a scheduled run, and no followers where nothing follows', () => {
    const chosen = [{ id: 'three', endpoint: endpoint('three'), isNamed: true }];
    const summed = sumUp({ chosen, isScheduled: false });
    expect(summed.canaries).toBe(0);
    expect(summed).not.toHaveProperty('followers');
    expect(sumUp({ isScheduled: false }).canaries).toBe(0);
  });

  it('is bounded, and says what had to stay behind', () => {
    const fifty = Array.from({ length: 50 }, (_, index) => user(index));
    expect(sumUp({ others: fifty }).warnings).toEqual([]);
    const { otherUsers, warnings } = sumUp({ others: [...fifty, user(50)] });
    expect(otherUsers).toEqual(fifty);
    expect(warnings).toEqual([
      '51 templates and pods use the credential; of 1 the report does not say whether their images can be pulled.',
    ]);
    const users = Array.from({ length: 21 }, (_, index) => ({ name: `u${index}`, image: `r${index}.example/image:1` }));
    expect(sumUp({ users }).registries).toHaveLength(20);
  });

  it('warns of images that do not fit, of what is out of sight, and of whose login it replaces, in that order', () => {
    const others = Array.from({ length: 20_000 }, (_, index) => ({
      name: 'pod p',
      image: `${host}/x@sha256:${(index * 7919).toString(16).padStart(64, (index * 104_729).toString(36))}`,
    }));
    const { warnings } = sumUp({
      others,
      users: [{ name: 'pod q', image: 'docker.io/library/nginx:1' }],
      outOfSight: { ...nothing, warnings: ['It is out of sight.'] },
      warnings: ['It was so before.'],
    });
    expect(warnings).toEqual([
      'It was so before.',
      expect.stringMatching(/^\d+ images of what uses the credential do not fit a run, and are not tried on ECR\.$/),
      'It is out of sight.',
      expect.stringContaining('20000 templates and pods use the credential; of 19950'),
      expect.stringContaining('of another registry'),
    ]);
  });
});
