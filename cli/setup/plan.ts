import { defined } from '../../functions/lib/defined.ts';
import type { Target } from '../../functions/lib/targets.ts';
import type { Caller } from '../../stack/caller.ts';
import { deployCommand, placeOptions } from '../../stack/stack.ts';
import { plain } from '../terminal.ts';
import { newCredential } from './conversation.ts';
import { type EcrEndpoint, nameOf } from './endpoints.ts';
import type { JournalChange } from './journal.ts';
import { addTarget } from './targets-file.ts';

/** A change that is planned: what it does, and what it is once the credential's id is known. */
export interface PlannedChange {
  readonly summary: string;
  readonly change: (credentialId: string) => JournalChange;
}

/** What is to be so once setup has ended. */
export interface Wanted {
  readonly name: string;
  readonly ecr: Target['ecr'];
  /** Where the API key is or will be. */
  readonly source: string;
  /** A key that is yet to be stored, over what was there before. */
  readonly newKey: { readonly versionBefore: number | undefined; readonly kmsKey: string | undefined } | undefined;
  /** The credential's id, or that a new one is wanted. */
  readonly credential: string;
  /** Ids of credentials that have the new one's name already. */
  readonly namesakes: readonly string[];
  /** What a new credential is created with, to stand behind "with". */
  readonly firstToken: string;
  /** A repository that is yet to be created. */
  readonly repository: string | undefined;
  /** Endpoints for which the credential is yet to be selected. */
  readonly selected: readonly EcrEndpoint[];
  /** The targets file, where the target is yet to be written to it. */
  readonly file: { readonly path: string; readonly content: string | undefined } | undefined;
}

/** What must change for it to be so, in an order in which an interruption harms nobody. Nothing for what is right. */
export const planChanges = ({
  name,
  ecr,
  source,
  newKey,
  credential,
  namesakes,
  firstToken,
  repository,
  selected,
  file,
}: Wanted): PlannedChange[] => {
  const planned: PlannedChange[] = [];
  if (repository !== undefined) {
    planned.push({
      summary: `create ECR repository ${repository} in ${ecr.region}`,
      change: () => ({ kind: 'repository', region: ecr.region, name: repository }),
    });
  }
  if (newKey !== undefined) {
    const { versionBefore, kmsKey } = newKey;
    const encrypted = kmsKey === undefined ? '' : ` encrypted by ${kmsKey}`;
    planned.push({
      summary: `${versionBefore === undefined ? 'store' : 'replace'} the Runpod API key in ${source}, as a SecureString${encrypted}`,
      change: () => ({
        kind: 'api-key',
        parameter: source.slice('ssm:'.length),
        ...defined({ versionBefore, kmsKey }),
      }),
    });
  }
  if (credential === newCredential) {
    planned.push({
      summary: `create credential runpod-ecr-refresh-${name} at Runpod, with ${firstToken}`,
      change: () => ({ kind: 'credential', name: `runpod-ecr-refresh-${name}`, others: [...namesakes] }),
    });
  }
  const which = credential === newCredential ? 'it' : `credential ${credential}`;
  for (const endpoint of selected) {
    planned.push({
      summary: plain(`select ${which} for endpoint ${nameOf(endpoint)}, which uses ${endpoint.registry ?? 'none'}`),
      change: (after) => ({ kind: 'endpoint', endpoint: endpoint.id, before: endpoint.registry, after }),
    });
  }
  if (file !== undefined) {
    const { path, content } = file;
    const write = (registry: string): string => addTarget(content, { name, ecr, runpod: { apiKey: source, registry } });
    // What would be written is checked before anything is changed.
    write(credential);
    planned.push({
      summary: `write target ${name} to ${path}`,
      change: (id) => ({
        kind: 'targets',
        path,
        ...defined({ before: content }),
        after: write(id),
      }),
    });
  }
  return planned;
};

/**
 * What a person does after setup.
 *
 * @param registry the ECR registry's host name
 * @param hasEndpoints whether any endpoint uses the credential by then
 */
export const nextSteps = (
  caller: Caller,
  { repository }: Wanted,
  registry: string,
  hasEndpoints: boolean,
): readonly string[] => {
  const image = `${registry}/${repository}:v1`;
  return [
    ...(repository === undefined
      ? []
      : [`Push an image: docker build --platform linux/amd64 -t ${image} . && docker push ${image}`]),
    ...(hasEndpoints
      ? []
      : [
          'Create a Runpod endpoint with your ECR image, and select the credential under Container Registry Auth; or run this again then.',
        ]),
    `Deploy: ${deployCommand(caller)}`,
    `See how it fares: npm run status -- ${placeOptions(caller)}`,
  ];
};
