import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copyProject, maxPackagingMs, type Packaged, packageStack } from '../../simulator/packaged.ts';

const boundary = 'arn:aws:iam::123456789012:policy/team/boundary';
const targets = `
targets:
  - name: production
    ecr: { region: us-east-1 }
    runpod: { apiKey: "ssm:/key", registry: 6n2k8v4d }
    endpoints: [{ id: 4m7x2k9q, rollout: { tag: production } }]
    canaryPod: { image: runpod-canary:v1, everyHours: 24 }
settings: { permissionsBoundary: "${boundary}", deploymentBucket: team-deployments }
`;

describe('what an account demands of every stack', () => {
  const project = copyProject(targets);
  let demanded: Packaged;
  let plain: Packaged;
  beforeAll(() => {
    demanded = project.packageStack();
    plain = packageStack();
  }, maxPackagingMs);
  afterAll(project.remove);

  const typesOf = ({ template }: Packaged): string[] => Object.values(template.Resources).map(({ Type }) => Type);
  const boundariesOf = ({ template }: Packaged): unknown[] =>
    Object.values(template.Resources)
      .filter(({ Type }) => Type === 'AWS::IAM::Role')
      .map(({ Properties }) => Properties.PermissionsBoundary);

  it('is a permissions boundary on each role', () => {
    expect(new Set(boundariesOf(demanded))).toEqual(new Set([boundary]));
    expect(boundariesOf(demanded)).toHaveLength(boundariesOf(plain).length);
  });

  it('is a bucket of its own, through which everything is deployed', () => {
    const codes = Object.values(demanded.template.Resources)
      .filter(({ Type }) => Type === 'AWS::Lambda::Function')
      .map(({ Properties }) => Properties.Code);
    expect(codes.length).toBeGreaterThan(10);
    expect(codes).toEqual(codes.map(() => expect.objectContaining({ S3Bucket: 'team-deployments' })));
    expect(typesOf(demanded)).not.toContain('AWS::S3::Bucket');
  });

  it('is absent where nobody asks', () => {
    expect(new Set(boundariesOf(plain))).toEqual(new Set([undefined]));
    expect(typesOf(plain)).toContain('AWS::S3::Bucket');
  });
});
