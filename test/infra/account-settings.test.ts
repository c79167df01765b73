import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readStackSettings } from '../../infra/settings.ts';
import { maxPackagingMs, type Packaged, packageStack } from '../support/packaged.ts';

const boundary = 'arn:aws:iam::123456789012:policy/team/boundary';

describe('what an account demands of every stack', () => {
  let asked: Packaged;
  let plain: Packaged;
  beforeAll(() => {
    asked = packageStack('--param', `permissionsBoundary=${boundary}`, '--param', 'deploymentBucket=team-deployments');
    plain = packageStack();
  }, maxPackagingMs);
  afterAll(() => {
    asked?.remove();
    plain?.remove();
  });

  const boundariesOf = ({ template }: Packaged): unknown[] =>
    Object.values(template.Resources)
      .filter(({ Type }) => Type === 'AWS::IAM::Role')
      .map(({ Properties }) => Properties.PermissionsBoundary);

  it('is a permissions boundary on each role', () => {
    expect(new Set(boundariesOf(asked))).toEqual(new Set([boundary]));
    expect(boundariesOf(asked)).toHaveLength(boundariesOf(plain).length);
  });

  it('is a bucket of its own, through which everything is deployed', () => {
    const buckets = Object.values(asked.template.Resources)
      .filter(({ Type }) => Type === 'AWS::Lambda::Function')
      .map(({ Properties }) => (Properties.Code as { S3Bucket: unknown }).S3Bucket);
    expect(new Set(buckets)).toEqual(new Set(['team-deployments']));
    expect(Object.values(asked.template.Resources).map(({ Type }) => Type)).not.toContain('AWS::S3::Bucket');
  });

  it('is absent where nobody asks', () => {
    expect(new Set(boundariesOf(plain))).toEqual(new Set([undefined]));
    expect(Object.values(plain.template.Resources).map(({ Type }) => Type)).toContain('AWS::S3::Bucket');
  });

  it.each([
    ['permissionsBoundary', 'boundary', /expected the ARN of a managed policy/],
    ['permissionsBoundary', 'arn:aws:iam::123456789012:role/boundary', /expected the ARN of a managed policy/],
    ['deploymentBucket', 'Team_Bucket', /expected the name of an S3 bucket/],
    ['deploymentBucket', 's3://bucket', /expected the name of an S3 bucket/],
  ])('is refused as %s %s', (parameter, value, message) => {
    const read = () =>
      readStackSettings({
        folder: fileURLToPath(new URL('../..', import.meta.url)),
        scheduleHours: '5',
        isDeploy: false,
        alertEmail: '',
        pagerUrl: '',
        place: { stage: 'dev', region: 'us-east-1' },
        [parameter]: value,
      });
    expect(read).toThrow(message);
  });
});
