import { createRequire } from 'node:module';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { maxPackagingMs, type Packaged, packageStack } from '../../simulator/packaged.ts';

const Plugin = createRequire(import.meta.url)('../../infra/before-remove.cjs') as new (
  serverless: object,
) => { readonly hooks: Readonly<Record<string, () => Promise<void>>> };

/** Nobody is asked: a rollout that is under way may be stopped. */
const noteOf = async (provider: object, custom: object = {}): Promise<string> => {
  const written: string[] = [];
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((text) => written.push(String(text)) > 0);
  const getProvider = () => ({ naming: { getStackName: () => 'runpod-ecr-refresh-prod' } });
  const service = { provider, custom: { stopRunning: 'yes', ...custom } };
  await new Plugin({ service, getProvider }).hooks['before:remove:remove']?.();
  spy.mockRestore();
  return written.join('');
};

let packaged: Packaged;
beforeAll(() => {
  packaged = packageStack();
}, maxPackagingMs);

describe('serverless remove', () => {
  it('says what stays, and what goes', async () => {
    const note = await noteOf({});
    expect(note).toContain('What stays when runpod-ecr-refresh-prod is removed');
    for (const each of ['the Runpod credential', 'two KMS keys for seven days', 'all logs go'])
      expect(note).toContain(each);
    expect(note).not.toContain('bucket');
    expect(note).not.toContain('canary pod');
    expect(note).not.toContain('follow what is pushed');
    expect(await noteOf({}, { settings: { hasRollouts: true } })).toContain(
      'endpoints that follow what is pushed on the images that they have',
    );
    expect(await noteOf({}, { settings: { hasCanaryPods: true } })).toContain(
      'a canary pod that is there at this moment, which costs until you terminate it in the Runpod console: its name begins with runpod-ecr-refresh-prod_',
    );
    expect(await noteOf({ deploymentBucket: 'team-deployments' })).toContain('the bucket team-deployments');
  });

  it('leaves of the stack nothing but that', () => {
    const kept = (policy: 'DeletionPolicy' | 'UpdateReplacePolicy') => [
      ...new Set(
        Object.values(packaged.template.Resources)
          .filter((resource) => resource[policy] === 'Retain')
          .map(({ Type }) => Type),
      ),
    ];
    // Versions go with their function or machine.
    expect(kept('DeletionPolicy')).toEqual(['AWS::Lambda::Version']);
    expect(kept('UpdateReplacePolicy').toSorted()).toEqual([
      'AWS::KMS::Key',
      'AWS::StepFunctions::StateMachineVersion',
    ]);
    const keys = Object.values(packaged.template.Resources).filter(({ Type }) => Type === 'AWS::KMS::Key');
    expect(keys.map(({ Properties }) => Properties.PendingWindowInDays)).toEqual([7, 7]);
  });
});
