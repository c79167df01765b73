import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostOf, isSameRegistry, parseEcrHost, partitionOf } from '../../../../functions/lib/ecr/host.ts';

const account = '123456789012';

describe('an ECR host name', () => {
  it.each([
    [`${account}.dkr.ecr.us-east-1.amazonaws.com`, 'us-east-1'],
    [`${account}.dkr.ecr-fips.us-gov-west-1.amazonaws.com`, 'us-gov-west-1'],
    [`${account}.dkr.ecr.cn-north-1.amazonaws.com.cn`, 'cn-north-1'],
    [`${account}.dkr-ecr.eu-west-1.on.aws`, 'eu-west-1'],
    [`${account}.dkr-ecr-fips.us-east-2.on.aws`, 'us-east-2'],
    [`${account}.dkr-ecr.cn-northwest-1.on.amazonwebservices.com.cn`, 'cn-northwest-1'],
    [`${account}.dkr-ecr.eusc-de-east-1.on.amazonwebservices.eu`, 'eusc-de-east-1'],
    [`${account}.dkr.ecr.eusc-de-east-1.amazonaws.eu`, 'eusc-de-east-1'],
    [`${account}.dkr.ecr.ap-southeast-4.amazonaws.com`, 'ap-southeast-4'],
  ])('%s is one', (host, region) => {
    expect(parseEcrHost(host)).toMatchObject({ account, region });
  });

  it.each([
    'amazonaws.com',
    `${account}.dkr.ecr.us-east-1.amazonaws.com.evil.example`,
    `${account}.dkr.ecr.us-east-1.amazonaws.com.`,
    `${account}.dkr.ecr.us-east-1.amazonaws.com:443`,
    `user@${account}.dkr.ecr.us-east-1.amazonaws.com`,
    `${account}.dkr.ecr.us-east-1.amazonaws.com@evil.example`,
    `12345678901.dkr.ecr.us-east-1.amazonaws.com`,
    `${account}.dkr.ecr.us-east-1.evil.com`,
    `${account}.dkrXecr.us-east-1.amazonaws.com`,
    `${account}.dkr.ecr.us-east-1.amazonawsXcom`,
    `xn--${account}.dkr.ecr.us-east-1.amazonaws.com`,
    `evil.example/${account}.dkr.ecr.us-east-1.amazonaws.com`,
    `${account}.DKR.ECR.us-east-1.amazonaws.com`,
    `${account}.dkr.ecr.us-east-1.amazonaws.com\n`,
    `${account}.dkr.ecr.us-iso-east-1.c2s.ic.gov`,
    `${account}.dkr-ecr.us-isob-east-1.api.aws.scloud`,
    'public.ecr.aws',
    'localhost:5000',
    '',
  ])('%j is none', (host) => {
    expect(parseEcrHost(host)).toBeUndefined();
  });

  it('is nothing that a URL would lead elsewhere, whatever is put around it', () => {
    const host = `${account}.dkr.ecr.us-east-1.amazonaws.com`;
    const noise = fc.string({ unit: 'binary', maxLength: 12 });
    fc.assert(
      fc.property(noise, noise, (before, after) => {
        const text = `${before}${host}${after}`;
        if (parseEcrHost(text) === undefined) return;
        expect(new URL(`https://${text}/v2/`).host).toBe(host);
        expect(text).toBe(host);
      }),
      { numRuns: 2000 },
    );
  });

  it('leads to the same registry over dual-stack and FIPS', () => {
    const plain = `${account}.dkr.ecr.us-east-1.amazonaws.com`;
    expect(isSameRegistry(plain, `${account}.dkr-ecr.us-east-1.on.aws`)).toBe(true);
    expect(isSameRegistry(plain, `${account}.dkr.ecr-fips.us-east-1.amazonaws.com`)).toBe(true);
    expect(isSameRegistry(plain, `${account}.dkr.ecr.us-east-2.amazonaws.com`)).toBe(false);
    expect(isSameRegistry(plain, '999999999999.dkr.ecr.us-east-1.amazonaws.com')).toBe(false);
    expect(isSameRegistry('ghcr.io', 'ghcr.io')).toBe(false);
    expect(isSameRegistry(plain, 'ghcr.io')).toBe(false);
  });
});

describe('the host of a registry', () => {
  it.each([
    ['us-east-1', 'amazonaws.com'],
    ['us-gov-west-1', 'amazonaws.com'],
    ['cn-north-1', 'amazonaws.com.cn'],
    ['eusc-de-east-1', 'amazonaws.eu'],
  ])('in %s ends in %s, and is one that is read', (region, suffix) => {
    const host = hostOf(account, region);
    expect(host).toBe(`${account}.dkr.ecr.${region}.${suffix}`);
    expect(parseEcrHost(host)).toEqual({ account, region });
  });
});

describe('the partition of a region', () => {
  it.each([
    ['us-east-1', 'aws'],
    ['cn-north-1', 'aws-cn'],
    ['us-gov-west-1', 'aws-us-gov'],
    ['eusc-de-east-1', 'aws-eusc'],
  ])('%s is %s', (region, partition) => {
    expect(partitionOf(region)).toBe(partition);
  });
});
