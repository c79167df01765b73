import { createRequire } from 'node:module';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { maxPackagingMs, type Packaged, packageStack } from '../../simulator/packaged.ts';

const Plugin = createRequire(import.meta.url)('../../infra/before-remove.cjs') as new (
  serverless: object,
) => { readonly hooks: Readonly<Record<string, () => void>> };

const noteOf = (provider: object, custom?: object): string => {
  const written: string[] = [];
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((text) => written.push(String(text)) > 0);
  const getProvider = () => ({ naming: { getStackName: () => 'runpod-ecr-refresh-prod' } });
  new Plugin({ service: { provider, custom }, getProvider }).hooks['before:remove:remove']?.();
  spy.mockRestore();
  return written.join('');
};

let packaged: Packaged;
beforeAll(() => {
  packaged = packageStack();
}, maxPackagingMs);

describe('serverless remove', () => {
  it('says what stays, and what goes', () => {
    const note = noteOf({});
    expect(note).toContain('What stays when runpod-ecr-refresh-prod is removed');
    for (const each of ['the Runpod credential', 'two KMS keys for seven days', 'all logs go'])
      expect(note).toContain(each);
    expect(note).not.toContain('bucket');
    expect(note).not.toContain('canary pod');
    expect(noteOf({}, { settings: { hasCanaryPods: true } })).toContain(
      'a canary pod that is there at this moment, which costs until you terminate it in the Runpod console: its name begins with runpod-ecr-refresh-prod_',
    );
    expect(noteOf({ deploymentBucket: 'team-deployments' })).toContain('the bucket team-deployments');
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
