import { messageOf } from '../message-of.ts';
import type { Endpoint, RunpodManagement } from './management.ts';

/** Something that uses a credential: an endpoint's id, or the kind and name of a template or pod. */
export interface CredentialUser {
  readonly name: string;
  readonly image: string;
}

/**
 * All that uses a credential. Templates and pods are only for the report: a key that may not list them still refreshes.
 *
 * @param all the endpoints that Runpod lists
 * @returns the endpoints first; `others` are the templates and pods of them
 */
export const findUsers = async (
  management: Pick<RunpodManagement, 'listOtherUsers'>,
  credential: string,
  all: readonly Endpoint[],
): Promise<{
  readonly users: readonly CredentialUser[];
  readonly others: readonly CredentialUser[];
  readonly warnings: readonly string[];
}> => {
  const warnings: string[] = [];
  const others = await management.listOtherUsers(credential).catch((error: unknown) => {
    const message = messageOf(error);
    warnings.push(`Templates and pods that use the credential are not known: ${message}`);
    return [];
  });
  const endpoints = all.filter(({ registry }) => registry === credential).map(({ id, image }) => ({ name: id, image }));
  return { users: [...endpoints, ...others], others, warnings };
};
