import { ECRClient, GetAuthorizationTokenCommand } from '@aws-sdk/client-ecr';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import * as z from 'zod/mini';
import { awsCause, awsClause, awsClientDefaults, awsFaultOf } from '../aws/client.ts';
import type { RegistryToken } from '../aws/seal.ts';
import { defined } from '../defined.ts';
import type { Settings } from '../env.ts';
import { EcrAccessDeniedError, EcrThrottledError, EcrUnavailableError } from '../errors.ts';
import type { Target } from '../targets.ts';
import { parseEcrHost } from './host.ts';

/** A token as ECR minted it. */
export interface MintedToken {
  readonly token: RegistryToken;
  /** The registry's host name, without a scheme. */
  readonly registry: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** Asks ECR for a token of a target's registry, through the role of its account where it names one. */
export type MintToken = (ecr: Target['ecr']) => Promise<MintedToken>;

/** A fresh token lives 12 hours. One that ends sooner than this is a clock or a service gone wrong. */
export const minLifeMs = 3_600_000;
/** Nobody's word makes a token live longer than ECR documents. */
const maxLifeMs = 12 * 3_600_000;

/** What to do about what AWS refuses, by its names for it. */
export const remediesByName: readonly (readonly [names: readonly string[], remedy: string])[] = [
  [
    ['InvalidSignatureException', 'SignatureDoesNotMatch'],
    'Set the clock of the machine that asks; where it is right, its secret access key is wrong.',
  ],
  [
    ['UnrecognizedClientException', 'InvalidClientTokenId', 'AuthFailure'],
    'AWS does not know these credentials: they were deleted, or are of another partition. Sign in with others; a role that was deleted is there again after a deploy.',
  ],
  [
    [
      'IncompleteSignature',
      'IncompleteSignatureException',
      'MissingAuthenticationToken',
      'MissingAuthenticationTokenException',
    ],
    'The request came without its whole signature: let what stands between, such as a proxy, pass the Authorization header.',
  ],
  [['ExpiredTokenException', 'ExpiredToken'], 'The session has ended: sign in again.'],
  [
    ['RegionDisabledException'],
    'Activate STS in this region: IAM, Account settings, Security Token Service (STS), Endpoints.',
  ],
  [['OptInRequired'], 'Enable the region for the account: Account, AWS Regions.'],
];

/**
 * What to do about an error of AWS's when it is not about a right; else the right that is missing.
 *
 * Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html,
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html (errors) and its CommonErrors.
 */
const remedyOf = (error: unknown, missingRight: string): string =>
  remediesByName.find(([names]) => error instanceof Error && names.includes(error.name))?.[1] ?? missingRight;

const explain = (who: string, error: unknown, missingRight: string): Error => {
  const came = awsClause(error);
  const remedy = remedyOf(error, missingRight);
  switch (awsFaultOf(error)) {
    case 'denied':
    case 'invalid':
    case 'missing':
      return new EcrAccessDeniedError(`${who} refused (${came}). ${remedy}`, awsCause(error));
    case 'throttled':
      return new EcrThrottledError(`${who} asked us to slow down (${came}).`, awsCause(error));
    default:
      return new EcrUnavailableError(`${who} did not answer (${came}).`, awsCause(error));
  }
};

const sessionSchema = z.object({
  AccessKeyId: z.string(),
  SecretAccessKey: z.string(),
  SessionToken: z.optional(z.string()),
});
const tokenSchema = z.object({
  authorizationToken: z.string(),
  proxyEndpoint: z._default(z.string(), ''),
  expiresAt: z.optional(z.date()),
});

/**
 * Mints tokens with the AWS SDK's clients.
 *
 * Source: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
 */
export const createMintToken = (settings: Settings, now: () => number): MintToken => {
  const defaults = awsClientDefaults(settings);
  const sts = new STSClient(defaults);

  const assume = async (roleArn: string, externalId: string | undefined) => {
    const { Credentials: session } = await sts
      .send(
        new AssumeRoleCommand({
          RoleArn: roleArn,
          RoleSessionName: 'runpod-ecr-refresh',
          ExternalId: externalId,
        }),
      )
      .catch((error: unknown) => {
        throw explain(
          `STS, asked for the role ${roleArn},`,
          error,
          `Let that role trust this stack's fetch-token role${externalId === undefined ? '' : ' with the externalId of targets.yml'}.`,
        );
      });
    const found = z.safeParse(sessionSchema, session);
    if (!found.success) {
      throw new EcrUnavailableError(`STS, asked for the role ${roleArn}, answered without credentials.`);
    }
    const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken } = found.data;
    return defined({ accessKeyId, secretAccessKey, sessionToken });
  };

  return async ({ region, registryId, roleArn, externalId }) => {
    const session = roleArn === undefined ? {} : { credentials: await assume(roleArn, externalId) };
    const ecr = new ECRClient({ ...defaults, region, ...session });
    const asked = `ECR in ${region}, asked for a token,`;
    const { authorizationData } = await ecr.send(new GetAuthorizationTokenCommand({})).catch((error: unknown) => {
      throw explain(asked, error, 'Allow ecr:GetAuthorizationToken on * to the role that mints.');
    });
    const minted = z.safeParse(tokenSchema, authorizationData?.[0]);
    if (!minted.success) throw new EcrUnavailableError(`${asked} answered without one.`);
    const { authorizationToken, proxyEndpoint, expiresAt } = minted.data;

    const decoded = Buffer.from(authorizationToken, 'base64').toString('utf8');
    const colon = decoded.indexOf(':');
    const token = { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
    if (colon < 1 || token.password === '') throw new EcrUnavailableError(`${asked} answered without one.`);

    const host = URL.canParse(proxyEndpoint) ? new URL(proxyEndpoint).host : '';
    const found = parseEcrHost(host);
    if (found === undefined || found.region !== region) {
      throw new EcrUnavailableError(`${asked} answered for a registry we do not know as ECR's.`);
    }

    if (expiresAt === undefined || expiresAt.getTime() - now() < minLifeMs) {
      throw new EcrUnavailableError(`${asked} answered with one that ends within the hour.`);
    }
    const registry = registryId === undefined ? host : `${registryId}${host.slice(found.account.length)}`;
    return { token, registry, expiresAt: Math.min(expiresAt.getTime(), now() + maxLifeMs) };
  };
};
