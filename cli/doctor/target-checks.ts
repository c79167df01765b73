import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { createReadApiKey } from '../../functions/lib/aws/api-key.ts';
import { isSameRegistry } from '../../functions/lib/ecr/host.ts';
import { formatImageReference, parseImageReference } from '../../functions/lib/ecr/image-reference.ts';
import { createMintToken } from '../../functions/lib/ecr/mint-token.ts';
import { createRegistryClient } from '../../functions/lib/ecr/pull.ts';
import { PullError } from '../../functions/lib/ecr/registry.ts';
import { EcrAccessDeniedError } from '../../functions/lib/errors.ts';
import { send } from '../../functions/lib/http.ts';
import type { RunpodClient } from '../../functions/lib/runpod/client.ts';
import { createRunpodManagement, type Endpoint, type RunpodManagement } from '../../functions/lib/runpod/management.ts';
import type { Target } from '../../functions/lib/targets.ts';
import type { Caller } from '../../stack/caller.ts';
import { awsFailure } from '../../stack/failure.ts';
import { connect, listDelegations } from '../runpod.ts';
import { findOpenApi, noWay } from '../update-apis.ts';
import { type Check, type Finding, need, ok, once, skipped, warning, wrong } from './check.ts';

/** What one Runpod key shows; asked once, however many targets use it. */
export interface KeyView {
  readonly client: RunpodClient;
  readonly management: RunpodManagement;
  readonly key: () => Promise<string>;
  readonly endpoints: () => Promise<Endpoint[]>;
  readonly delegations: () => Promise<ReturnType<typeof listDelegations> extends Promise<infer List> ? List : never>;
}

/** Views of keys, by where they are kept. */
export const createKeyViews = ({ settings }: Caller): ((source: string) => KeyView) => {
  const readApiKey = createReadApiKey(settings);
  const connectTo = connect(settings, readApiKey);
  const views = new Map<string, KeyView>();
  return (source) => {
    const known = views.get(source);
    if (known !== undefined) return known;
    const client = connectTo(source);
    const management = createRunpodManagement(client, settings);
    const view: KeyView = {
      client,
      management,
      key: once(() => readApiKey(source)),
      endpoints: once(() => management.listEndpoints()),
      delegations: once(() => listDelegations(client, settings)),
    };
    views.set(source, view);
    return view;
  };
};

/** Over this, a worker may take longer to start than the seven minutes after which Runpod calls it unhealthy. */
const largeBytes = 10e9;

const plural = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** Whether a parameter that holds a key is encrypted. */
const isEncrypted = async ({ aws }: Caller, name: string): Promise<boolean> => {
  const { Parameter } = await new SSMClient(aws)
    .send(new GetParameterCommand({ Name: name }))
    .catch((error: unknown) => {
      throw awsFailure(`show parameter ${name}`, 'ssm:GetParameter', error);
    });
  return Parameter?.Type === 'SecureString';
};

/** Everything that can be wrong with a target, in the order in which a person would look. */
export const targetChecks = (caller: Caller, target: Target, view: KeyView): Check[] => {
  const { settings } = caller;
  const { name: group, ecr, runpod, endpoints: named } = target;
  const registryClient = createRegistryClient(settings, send);
  const credential = once(() => view.management.requireCredential(runpod.registry));
  const token = once(() => createMintToken(settings, Date.now)(ecr));

  const watched = once(async () => {
    const all = await view.endpoints();
    return named === undefined
      ? all.filter(({ registry }) => registry === runpod.registry)
      : all.filter(({ id }) => named.some((each) => each.id === id));
  });
  const needEndpoints = () => need('a list of its endpoints', watched());

  const isOfTarget = async (image: string): Promise<boolean> => {
    const host = parseImageReference(image)?.registry ?? '';
    const { registry } = await need('a login', token());
    return isSameRegistry(host, registry);
  };

  const tried = once(async () => {
    const { token: minted, registry } = await need('a login', token());
    const endpoints = await needEndpoints();
    const images = [...new Set(endpoints.map(({ image }) => image))];
    return Promise.all(
      images.map(async (image) => {
        const reference = parseImageReference(image);
        if (reference === undefined || !isSameRegistry(reference.registry, registry)) {
          return { image, problem: `it is not in ${registry}, whose login the credential gets`, kind: undefined };
        }
        return registryClient.tryImage(reference, minted).then(
          ({ sizeInBytes }) => ({ image, sizeInBytes }),
          (error: unknown) => {
            if (!(error instanceof PullError)) throw error;
            return { image, problem: error.message, kind: error.problem };
          },
        );
      }),
    );
  });

  return [
    {
      group,
      title: 'API key',
      look: async () => {
        await view.key();
        if (!runpod.apiKey.startsWith('ssm:')) return ok(`The API key is in ${runpod.apiKey}.`);
        return (await isEncrypted(caller, runpod.apiKey.slice('ssm:'.length)))
          ? ok(`The API key is in ${runpod.apiKey}, encrypted.`)
          : warning(`The API key is in ${runpod.apiKey}, unencrypted.`, 'Store it as a SecureString: npm run setup.');
      },
    },
    {
      group,
      title: 'scopes',
      look: async () => {
        await need('an API key', view.key());
        const endpoints = await view.endpoints();
        return ok(`The key may list endpoints; there ${endpoints.length === 1 ? 'is' : 'are'} ${endpoints.length}.`);
      },
    },
    {
      group,
      title: 'credential',
      look: async () => {
        await need('an API key', view.key());
        await credential();
        return ok(`Runpod has credential ${runpod.registry}.`);
      },
    },
    {
      group,
      title: 'way of updating',
      look: async () => {
        await need('an API key', view.key());
        await need('the credential', credential());
        const { way, missingWays } = await findOpenApi(view.client, settings, runpod.registry);
        if (way === undefined) return { mark: 'wrong', text: noWay(runpod.registry) };
        const missing = missingWays.length === 0 ? '' : `; ${missingWays.join(' and ')} said to have no such operation`;
        return way === 'v2'
          ? ok('Runpod takes updates by v2.')
          : warning(
              `Runpod takes updates by ${way}${missing}.`,
              `Nothing to do now. ${way === 'graphql' ? 'GraphQL retires early in 2027' : 'API v1 is being retired'}: watch for Runpod’s announcements.`,
            );
      },
    },
    {
      group,
      title: 'endpoints',
      look: async () => {
        const all = await need('a list of endpoints', view.endpoints());
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
        const users = await watched();
        for (const { id, name, image, registry } of named === undefined ? all : []) {
          if (registry === runpod.registry || !(await isOfTarget(image))) continue;
          findings.push(
            warning(
              `Endpoint ${name === '' ? id : `${name} (${id})`} pulls from the same ECR registry with ${registry === null ? 'no credential' : `credential ${registry}`}.`,
              `Select credential ${runpod.registry} in its settings, or run npm run setup.`,
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
    {
      group,
      title: 'login',
      look: async () => {
        try {
          const { registry } = await token();
          return ok(`ECR mints logins for ${registry}.`);
        } catch (error) {
          if (!(error instanceof EcrAccessDeniedError) || ecr.roleArn === undefined) throw error;
          return warning(
            `Role ${ecr.roleArn} cannot be assumed from here.`,
            'It need not trust you, only the stack: see whether the last run succeeded (docs/cross-account.md).',
          );
        }
      },
    },
    {
      group,
      title: 'images',
      look: async () => {
        const images = await tried();
        if (images.length === 0) return skipped('There is no image to try.');
        return images.map((each) =>
          'problem' in each
            ? wrong(`${each.image} cannot be pulled: ${each.problem}.`, remedyOf(each.kind))
            : ok(`${each.image} can be pulled, for linux/amd64 (${(each.sizeInBytes / 1e6).toFixed(0)} MB).`),
        );
      },
    },
    {
      group,
      title: 'size',
      look: async () => {
        const images = await need('an image', tried());
        const large = images.filter((each) => 'sizeInBytes' in each && each.sizeInBytes > largeBytes);
        if (large.length === 0)
          return images.length === 0
            ? skipped('There is no image to measure.')
            : ok('No image is so large that pulling it holds workers up.');
        return warning(
          `${large.map(({ image }) => image).join(', ')}: over ${largeBytes / 1e9} GB. A worker that takes 7 minutes to start counts as unhealthy.`,
          'Use a smaller base image, keep models on a network volume, or switch FlashBoot on.',
        );
      },
    },
    {
      group,
      title: 'tags',
      look: async () => {
        const endpoints = await needEndpoints();
        const floating = endpoints.filter(({ image }) => {
          const { tag, digest } = parseImageReference(image) ?? {};
          return digest === undefined && (tag === undefined || tag === 'latest');
        });
        if (endpoints.length === 0) return skipped('There is no tag to look at.');
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
      look: async () => {
        const endpoints = await needEndpoints();
        if (endpoints.length === 0) return skipped('There is no endpoint to look at.');
        const parked = endpoints.filter(({ workers }) => workers.max === 0).map(({ id }) => id);
        return parked.length === 0
          ? ok('No endpoint is parked.')
          : warning(
              `Runpod has parked ${parked.join(', ')}: workers.max is 0, as it sets after long failure or idleness.`,
              'Raise max workers in its settings: a fresh login does not.',
            );
      },
    },
    {
      group,
      title: 'delegation',
      look: async () => {
        await need('an API key', view.key());
        const delegations = await view.delegations();
        const endpoints = await needEndpoints();
        const covers = (image: string): boolean => {
          const reference = parseImageReference(image);
          return delegations.some(
            ({ dockerRegistryUri, repository }) =>
              reference !== undefined &&
              reference.repository === repository &&
              isSameRegistry(reference.registry, dockerRegistryUri),
          );
        };
        const covered = [...new Set(endpoints.map(({ image }) => image).filter(covers))];
        return covered.length === 0
          ? ok('No ECR delegation of Runpod’s covers these images, so the login is needed.')
          : warning(
              `An ECR delegation of Runpod’s covers ${covered.join(', ')}.`,
              'Try the endpoint without a credential: where that pulls, you need no login, and none of this. Runpod’s pages disagree on serverless.',
            );
      },
    },
  ];
};

const remedyOf = (problem: string | undefined): string => {
  switch (problem) {
    case 'image-missing':
      return 'Push the image, or correct the endpoint’s image.';
    case 'repository-forbidden':
      return 'Allow ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on the repository.';
    case 'no-linux-amd64':
      return 'Build it with docker build --platform linux/amd64.';
    case 'archived':
      return 'Restore the image in ECR.';
    case undefined:
      return 'Correct the endpoint’s image, or give the endpoint the credential of its own registry.';
    default:
      return 'Try again; see docs/runbook.md, ImageNotPullableError.';
  }
};
