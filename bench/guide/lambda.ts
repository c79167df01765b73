import { ECRClient, GetAuthorizationTokenCommand } from '@aws-sdk/client-ecr';
import type { World } from '../../simulator/world.ts';

/**
 * Mint and store, no more: what the Lambda of Runpod's guide does, written anew, and most scripts like it. Its AWS client
 * tries three times, as boto3's would.
 *
 * @param url where credentials are updated, without the id
 */
export const createMintAndStore = (
  world: World,
  url: string,
  credential: string,
  timeoutMs = 10_000,
): (() => Promise<void>) => {
  const ecr = new ECRClient({ ...world.aws, maxAttempts: 3 });
  return async () => {
    const { authorizationData } = await ecr.send(new GetAuthorizationTokenCommand({}));
    const token = Buffer.from(authorizationData?.[0]?.authorizationToken ?? '', 'base64').toString('utf8');
    const answer = await fetch(`${url}/${credential}`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${world.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'AWS', password: token.slice('AWS:'.length) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (!answer.ok) throw new Error(`Runpod answered ${answer.status}.`);
    await answer.arrayBuffer();
  };
};
