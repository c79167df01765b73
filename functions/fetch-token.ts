import * as z from 'zod/mini';
import { createSeal, type Seal } from './lib/aws/seal.ts';
import { regionPattern } from './lib/ecr/host.ts';
import { createMintToken, type MintToken } from './lib/ecr/mint-token.ts';
import { isoSeconds, lambda, type Platform, parseInput } from './lib/platform.ts';

/** What fetch-token needs from outside. */
interface FetchTokenDeps {
  readonly mintToken: MintToken;
  readonly seal: Seal;
  readonly now: () => number;
}

const inputSchema = z.object({
  execution: z.string(),
  target: z.object({
    name: z.string(),
    runpod: z.object({ registry: z.string() }),
    ecr: z.object({
      region: z.string().check(z.regex(regionPattern, 'expected an AWS region')),
      registryId: z.optional(z.string()),
      roleArn: z.optional(z.string()),
      externalId: z.optional(z.string()),
    }),
  }),
});

/** A fresh token, sealed for the states that follow. */
export interface FetchTokenOutput {
  /** The token, which opens only for this execution, target, credential and end. */
  readonly sealed: string;
  /** The ECR registry's host name. */
  readonly registry: string;
  /** When it was asked for, and when it ends (ISO 8601). */
  readonly mintedAt: string;
  readonly expiresAt: string;
}

/**
 * Mints the registry token a target needs and seals it for the states that follow.
 *
 * @throws {EcrAccessDeniedError} the role may not mint, or may not be assumed
 * @throws {EcrThrottledError | EcrUnavailableError | KmsUnavailableError} AWS did not answer
 * @throws {ConfigurationError} the sealing key cannot be used
 */
const createFetchToken =
  ({ mintToken, seal, now }: FetchTokenDeps) =>
  async (event: unknown): Promise<FetchTokenOutput> => {
    const { execution, target } = parseInput('fetch-token', inputSchema, event);
    const mintedAt = now();
    const { token, registry, expiresAt } = await mintToken(target.ecr);
    const sealedFor = {
      execution,
      target: target.name,
      credential: target.runpod.registry,
      expiresAt: isoSeconds(expiresAt),
    };
    return {
      sealed: await seal(token, sealedFor),
      registry,
      mintedAt: isoSeconds(mintedAt),
      expiresAt: sealedFor.expiresAt,
    };
  };

export const buildFetchToken = ({ settings, now, seal }: Pick<Platform, 'settings' | 'now' | 'seal'>) =>
  createFetchToken({ mintToken: createMintToken(settings, now), seal, now });

export const handler = lambda('fetch-token', (platform) =>
  buildFetchToken({ ...platform, seal: createSeal(platform.settings) }),
);
