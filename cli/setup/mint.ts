import { GetFederationTokenCommand, STSClient } from '@aws-sdk/client-sts';
import { partitionOf } from '../../functions/lib/ecr/host.ts';
import { createMintToken, type MintedToken } from '../../functions/lib/ecr/mint-token.ts';
import { EcrAccessDeniedError } from '../../functions/lib/errors.ts';
import type { Target } from '../../functions/lib/targets.ts';
import type { Conversation } from './conversation.ts';

/** A token to try, and to fill a new credential with. */
export interface SetupToken {
  readonly minted: MintedToken;
  /** Whether it may pull and nothing else. */
  readonly isNarrow: boolean;
}

/** As long as a token lives: whether ECR cuts one short with the session that minted it is not documented. */
const sessionSeconds = 12 * 3600;

/** What a token may do that is minted with it: pull, as one of the stack's own. */
const pullPolicy = ({ region, repositories = ['*'] }: Target['ecr']): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 'ecr:GetAuthorizationToken', Resource: '*' },
      {
        Effect: 'Allow',
        Action: ['ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'],
        Resource: repositories.map((name) => `arn:${partitionOf(region)}:ecr:${region}:*:repository/${name}`),
      },
    ],
  });

/**
 * A session of whoever runs this, narrowed to pulling. AWS gives one to a user with keys of its own, and to no session:
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
 *
 * @returns `undefined` where AWS gives none
 */
const narrowSession = async (ecr: Target['ecr'], { caller, identity }: Conversation) => {
  if (!/:user\//.test(identity.arn)) return undefined;
  const command = new GetFederationTokenCommand({
    Name: 'runpod-ecr-refresh-setup',
    Policy: pullPolicy(ecr),
    DurationSeconds: sessionSeconds,
  });
  // Not being given one is no failure: it is said what the token may do instead.
  const answer = await new STSClient(caller.aws).send(command).catch(() => undefined);
  const { AccessKeyId, SecretAccessKey, SessionToken } = answer?.Credentials ?? {};
  if (AccessKeyId === undefined || SecretAccessKey === undefined || SessionToken === undefined) return undefined;
  return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
};

/**
 * Mints a token that may do as little as can be had: by the target's role, else by a narrowed session, else with the
 * rights of whoever runs this.
 *
 * @returns `undefined` where the target's role trusts the stack alone
 */
export const mintForSetup = async (ecr: Target['ecr'], conversation: Conversation): Promise<SetupToken | undefined> => {
  const {
    caller: { settings },
    context: { now },
  } = conversation;
  if (ecr.roleArn !== undefined) {
    try {
      return { minted: await createMintToken(settings, now)(ecr), isNarrow: true };
    } catch (error) {
      if (error instanceof EcrAccessDeniedError) return undefined;
      throw error;
    }
  }
  const credentials = await narrowSession(ecr, conversation);
  if (credentials !== undefined) {
    const narrow = { ...settings, aws: { ...settings.aws, credentials } };
    try {
      return { minted: await createMintToken(narrow, now)(ecr), isNarrow: true };
    } catch (error) {
      if (!(error instanceof EcrAccessDeniedError)) throw error;
    }
  }
  return { minted: await createMintToken(settings, now)(ecr), isNarrow: false };
};
