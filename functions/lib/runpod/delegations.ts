import * as z from 'zod/mini';
import { boundedText } from '../bounded-text.ts';
import { isSameRegistry } from '../ecr/host.ts';
import { parseImageReference } from '../ecr/image-reference.ts';
import type { Settings } from '../env.ts';
import { RunpodUnavailableError } from '../errors.ts';
import { listOf } from '../json-parts.ts';
import { isOperationMissing, type RunpodCall, type RunpodClient, refusalOf, under } from './client.ts';
import { maxItems } from './pages.ts';

const name = boundedText(512);

const delegationsSchema = z.object({
  delegations: listOf(z.object({ repository: name, dockerRegistryUri: z._default(name, '') }), maxItems),
});

/** A repository that Runpod may pull from without a credential. */
export type Delegation = z.output<typeof delegationsSchema>['delegations'][number];

/** ECR delegations of the account, which are not paginated; none where Runpod does not offer them. */
export const listDelegations = async (
  client: RunpodClient,
  { RUNPOD_API_URL }: Pick<Settings, 'RUNPOD_API_URL'>,
): Promise<readonly Delegation[]> => {
  const call: RunpodCall = {
    what: 'list the ECR delegations',
    url: under(RUNPOD_API_URL, 'registries', 'delegations'),
    scope: 'for reading registry credentials',
  };
  const answer = await client.send(call);
  if (answer.status === 404 || isOperationMissing(answer)) return [];
  if (answer.status !== 200) throw refusalOf(answer, call);
  const list = z.safeParse(delegationsSchema, answer.json);
  if (list.success) return list.data.delegations;
  throw new RunpodUnavailableError(`Runpod, asked to ${call.what}, answered with something that is no such list.`);
};

/** Whether Runpod may pull an image without a credential. */
export const isDelegated = (delegations: readonly Delegation[], image: string): boolean => {
  const reference = parseImageReference(image);
  return delegations.some(
    ({ dockerRegistryUri, repository }) =>
      reference !== undefined &&
      reference.repository === repository &&
      isSameRegistry(reference.registry, dockerRegistryUri),
  );
};
