import { defined } from '../../functions/lib/defined.ts';
import type { Caller } from '../../stack/caller.ts';
import { deployCommand, placeOptions } from '../../stack/stack.ts';
import { plain } from '../terminal.ts';
import { newCredential } from './conversation.ts';
import { nameOf } from './endpoints.ts';
import type { JournalChange } from './journal.ts';
import { addTargets } from './targets-file.ts';
import { credentialNameOf, type WantedTarget } from './wanted.ts';

/** The id of a target's credential, once it is known. */
type CredentialOf = (target: WantedTarget) => string;

/** A change that is planned: what it does, and what it is once the credentials' ids are known. */
export interface PlannedChange {
  readonly summary: string;
  /** The target whose credential it is about. */
  readonly target?: WantedTarget;
  readonly change: (credentialOf: CredentialOf) => JournalChange;
}

/** A repository that is yet to be created. */
interface WantedRepository {
  readonly region: string;
  readonly name: string;
  /** The registry's host name. */
  readonly host: string;
}

/** What is to be so once setup has ended. */
export interface Wanted {
  readonly targets: readonly WantedTarget[];
  /** Where the API key is or will be. */
  readonly source: string;
  /** A key that is yet to be stored, over what was there before. */
  readonly newKey: { readonly versionBefore: number | undefined; readonly kmsKey: string | undefined } | undefined;
  readonly repository: WantedRepository | undefined;
  /** The targets file as it is. */
  readonly file: { readonly path: string; readonly content: string | undefined };
  /** What a new credential of the target is created with, to stand behind "with". */
  readonly describeToken: (target: WantedTarget) => string;
}

const planTarget = (target: WantedTarget, describeToken: Wanted['describeToken']): PlannedChange[] => {
  const { name, credential, namesakes, selected } = target;
  const credentialName = credentialNameOf(name);
  const which = `credential ${credential === newCredential ? credentialName : credential}`;
  const created: PlannedChange = {
    summary: `create credential ${credentialName} at Runpod, with ${describeToken(target)}`,
    target,
    change: () => ({ kind: 'credential', name: credentialName, others: [...namesakes] }),
  };
  return [
    ...(credential === newCredential ? [created] : []),
    ...selected.map(
      (endpoint): PlannedChange => ({
        summary: plain(`select ${which} for endpoint ${nameOf(endpoint)}, which uses ${endpoint.registry ?? 'none'}`),
        change: (credentialOf) => ({
          kind: 'endpoint',
          endpoint: endpoint.id,
          before: endpoint.registry,
          after: credentialOf(target),
        }),
      }),
    ),
  ];
};

/** What must change for it to be so, in an order in which an interruption harms nobody. Nothing for what is right. */
export const planChanges = ({ targets, source, newKey, repository, file, describeToken }: Wanted): PlannedChange[] => {
  const planned: PlannedChange[] = [];
  if (repository !== undefined) {
    const { region, name } = repository;
    planned.push({
      summary: `create ECR repository ${name} in ${region}`,
      change: () => ({ kind: 'repository', region, name }),
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
  planned.push(...targets.flatMap((target) => planTarget(target, describeToken)));
  const added = targets.filter(({ existing }) => existing === undefined);
  if (added.length > 0) {
    const { path, content } = file;
    const write = (registryOf: CredentialOf): string =>
      addTargets(
        content,
        added.map((each) => ({
          name: each.name,
          ecr: each.ecr,
          runpod: { apiKey: source, registry: registryOf(each) },
        })),
      );
    // What would be written is checked before anything is changed.
    write(({ name, credential }) => (credential === newCredential ? `new-${name}` : credential));
    const names = added.map(({ name }) => name);
    planned.push({
      summary: `write target${names.length === 1 ? '' : 's'} ${names.join(', ')} to ${path}`,
      change: (credentialOf) => ({
        kind: 'targets',
        path,
        ...defined({ before: content }),
        after: write(credentialOf),
      }),
    });
  }
  return planned;
};

/**
 * What a person does after setup.
 *
 * @param hasEndpoints whether any endpoint uses a credential of a target by then
 */
export const nextSteps = (
  caller: Caller,
  { repository }: Pick<Wanted, 'repository'>,
  hasEndpoints: boolean,
): readonly string[] => {
  const image = `${repository?.host}/${repository?.name}:v1`;
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
