import { isSameRegistry, parseEcrHost } from '../../functions/lib/ecr/host.ts';
import { formatImageReference, parseImageReference } from '../../functions/lib/ecr/image-reference.ts';
import { isDelegated } from '../../functions/lib/runpod/delegations.ts';
import type { Endpoint } from '../../functions/lib/runpod/management.ts';
import { describeUnmanaged, findUnmanaged, type UnmanagedEndpoint } from '../../functions/lib/runpod/unmanaged.ts';
import { type Check, type Finding, need, ok, skipped, warning, wrong } from './check.ts';
import type { TargetView } from './target-view.ts';

const plural = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** What can be wrong with which endpoints use the credential. */
export const useChecks = ({ target, targets, key, token, endpoints }: TargetView): Check[] => {
  const { name: group, runpod, endpoints: named } = target;

  const isOfTarget = async (image: string): Promise<boolean> => {
    const { registry } = await need('a token', token());
    return isSameRegistry(parseImageReference(image)?.registry ?? '', registry);
  };
  const listUnmanaged = async (all: readonly Endpoint[]): Promise<readonly UnmanagedEndpoint[]> => {
    const { registry } = await need('a token', token());
    return findUnmanaged(target, parseEcrHost(registry)?.account ?? '', targets, all, () => key.delegations());
  };

  return [
    {
      group,
      title: 'endpoints',
      run: async () => {
        const all = await need('a list of endpoints', key.endpoints());
        const findings: Finding[] = [];
        for (const { id } of named ?? []) {
          const found = all.find((each) => each.id === id);
          if (found === undefined) {
            findings.push(wrong(`There is no endpoint ${id}.`, 'Correct endpoints in targets.yml.'));
          } else if (found.registry !== runpod.registry) {
            findings.push(
              wrong(
                `Endpoint ${id} uses ${found.registry === null ? 'no credential' : `credential ${found.registry}`}.`,
                `Select credential ${runpod.registry} in its settings, or run npm run setup.`,
              ),
            );
          }
        }
        for (const { id, name, image, registry } of all) {
          if (registry !== runpod.registry || image === '' || (await isOfTarget(image))) continue;
          findings.push(
            wrong(
              `Endpoint ${name === '' ? id : `${name} (${id})`} uses the credential for ${image}, of another registry: every refresh overwrites the login that it needs.`,
              'Give it a credential of its own: nobody can read the old login back.',
            ),
          );
        }
        const users = await endpoints();
        for (const each of await listUnmanaged(all)) {
          findings.push(
            warning(
              describeUnmanaged(each),
              `Select credential ${runpod.registry} in its settings, or run npm run setup. If it is somebody else’s, list ${each.id} under ignore in targets.yml.`,
            ),
          );
        }
        if (users.length === 0) {
          findings.unshift(
            warning('No endpoint uses the credential.', 'Select it in your endpoint’s settings, or run npm run setup.'),
          );
        } else if (findings.every(({ mark }) => mark !== 'wrong')) {
          findings.unshift(
            ok(`${plural(users.length, 'endpoint')} use${users.length === 1 ? 's' : ''} the credential.`),
          );
        }
        return findings;
      },
    },
  ];
};

/** What can be wrong with how those endpoints are set up. */
export const endpointChecks = ({ target, key, endpoints }: TargetView): Check[] => {
  const { name: group } = target;
  const needEndpoints = () => need('a list of its endpoints', endpoints());
  return [
    {
      group,
      title: 'tags',
      run: async () => {
        const users = await needEndpoints();
        const floating = users.filter(({ image }) => {
          const { tag, digest } = parseImageReference(image) ?? {};
          return digest === undefined && (tag === undefined || tag === 'latest');
        });
        if (users.length === 0) return skipped('There is no tag to look at.');
        if (floating.length === 0) return ok('Every image has a tag or digest of its own.');
        const images = floating.map(({ image }) => {
          const reference = parseImageReference(image);
          return reference === undefined ? image : formatImageReference(reference);
        });
        return warning(
          `${[...new Set(images)].join(', ')}: a new push behind the same tag changes nothing at Runpod.`,
          'Give each build a tag of its own, and set it as the endpoint’s image.',
        );
      },
    },
    {
      group,
      title: 'workers',
      run: async () => {
        const users = await needEndpoints();
        if (users.length === 0) return skipped('There is no endpoint to look at.');
        const parked = users.filter(({ workers }) => workers.max === 0).map(({ id }) => id);
        return parked.length === 0
          ? ok('No endpoint is parked.')
          : warning(
              `Runpod has parked ${parked.join(', ')}: workers.max is 0, as it sets after long failure or idleness.`,
              'Raise max workers in its settings: a fresh token does not.',
            );
      },
    },
    {
      group,
      title: 'delegation',
      run: async () => {
        await need('an API key', key.key());
        const delegations = await key.delegations();
        const users = await needEndpoints();
        const covered = [...new Set(users.map(({ image }) => image))].filter((image) =>
          isDelegated(delegations, image),
        );
        return covered.length === 0
          ? ok('Runpod pulls none of these images by ECR delegation: the credential is needed.')
          : warning(
              `${covered.join(', ')}: the repository is delegated to Runpod, which says that it pulls it without a credential. These endpoints still pull with theirs, and it is kept fresh.`,
              'To do without: take the credential from one endpoint, and see a new worker pull. Nobody has shown that for serverless: docs/delegation.md.',
            );
      },
    },
  ];
};
