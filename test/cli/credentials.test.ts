import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { World } from '../../simulator/world.ts';
import { awsFailure } from '../../stack/failure.ts';
import { runPiped } from '../support/command.ts';

const folder = mkdtempSync(join(tmpdir(), 'aws-'));
const config = join(folder, 'config');
writeFileSync(
  config,
  `[profile good]
region = us-east-1
[profile my profile]
region = us-east-1
[profile process]
credential_process = /bin/false --password s3cret
[profile chained]
role_arn = arn:aws:iam::123456789012:role/x
source_profile = nowhere
`,
);

let world: World;
beforeAll(async () => {
  world = await World.begin();
});
afterAll(() => world.end());

const none = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };

describe('credentials that cannot be had', () => {
  it.each<readonly [string, readonly string[], Record<string, string>, RegExp]>([
    [
      'a profile that there is not',
      ['--profile', 'nope'],
      {},
      /^There is no AWS profile nope; there are good, my profile, process, chained\. Name another with --profile/,
    ],
    ['a profile of AWS_PROFILE that there is not', [], { AWS_PROFILE: 'nope' }, /^There is no AWS profile nope;/],
    [
      'a name that the SDK cannot read',
      ['--profile', 'my profile'],
      {},
      /^The AWS SDK cannot read a profile that is called "my profile": .* Rename it/,
    ],
    [
      'a credential_process that fails',
      ['--profile', 'process'],
      {},
      /^The credential_process of AWS profile process failed\. Run it by itself/,
    ],
    [
      'a profile that leads nowhere',
      ['--profile', 'chained'],
      {},
      /^AWS profile chained holds no credentials that can be used \("?Could not resolve credentials using profile: \[nowhere\]/,
    ],
    [
      'a token file that is not there',
      [],
      { AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/x', AWS_WEB_IDENTITY_TOKEN_FILE: '/nope/token' },
      /^The token file \/nope\/token, .*is not there/,
    ],
  ])('for %s are told with what to do', async (_what, words, more, expected) => {
    const environment = {
      ...none,
      AWS_CONFIG_FILE: config,
      AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none'),
      ...more,
    };
    const { code, printed, printedErrors } = await runPiped(world, ['status', ...words], { environment });
    expect(printedErrors).toMatch(expected);
    expect(printedErrors).not.toContain('s3cret');
    expect([code, printed]).toEqual([1, '']);
  });
});

describe('what AWS refuses', () => {
  const failure = (name: string, message: string): string =>
    awsFailure(
      'look stack x up',
      'cloudformation:DescribeStacks',
      Object.assign(new Error(message), { name, $metadata: { httpStatusCode: 403 } }),
    ).message;

  it.each([
    [
      'AccessDenied',
      'User: arn:aws:iam::123456789012:user/me is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/x',
      /Allow sts:AssumeRole on arn:aws:iam::123456789012:role\/x to arn:aws:iam::123456789012:user\/me\.$/,
    ],
    ['AccessDenied', 'no', /Allow cloudformation:DescribeStacks to whoever runs this\.$/],
    ['ExpiredToken', 'The security token included in the request is expired', /Sign in again/],
    [
      'SignatureDoesNotMatch',
      'Signature expired: 20260101T000000Z is now earlier than 20260101T010000Z (20260101T011500Z - 15 min.)',
      /Set the clock of this machine/,
    ],
    [
      'InvalidSignatureException',
      'Signature not yet current: 20260101T020000Z is still later than',
      /Set the clock of this machine/,
    ],
    [
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
      /Set the clock/,
    ],
  ])('%s "%s" has a remedy of its own', (name, message, expected) => {
    expect(failure(name, message)).toMatch(expected);
  });
});
