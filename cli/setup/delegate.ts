import { createReadApiKey } from '../../functions/lib/aws/api-key.ts';
import { parseEcrHost, partitionOf } from '../../functions/lib/ecr/host.ts';
import { parseImageReference } from '../../functions/lib/ecr/image-reference.ts';
import { isDelegated, listDelegations } from '../../functions/lib/runpod/delegations.ts';
import { createRunpodManagement } from '../../functions/lib/runpod/management.ts';
import { accountOf } from '../../functions/lib/targets.ts';
import { exitCodes, UsageError } from '../../stack/failure.ts';
import { connect, createRunpodAccount } from '../runpod.ts';
import { plain } from '../terminal.ts';
import type { Conversation } from './conversation.ts';
import { chooseTarget } from './scope.ts';
import { readTargetsFile } from './targets-file.ts';

/**
 * What lets Runpod pull from a repository.
 *
 * Source: https://docs.runpod.io/tutorials/pods/use-private-ecr-images, without `ecr:GetAuthorizationToken`, which a
 * repository has no say in.
 */
const repositoryPolicy = {
  Version: '2012-10-17',
  Statement: [
    {
      Sid: 'AllowRunpodPull',
      Effect: 'Allow',
      Principal: '*',
      Action: ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'],
      Condition: {
        StringEquals: { 'aws:PrincipalArn': 'arn:aws:iam::418399314813:role/prod-us-east-1-deployment-role' },
      },
    },
  ],
};

/**
 * Shows the policy that lets Runpod pull the repositories of a target's endpoints, and asks whether to register them.
 *
 * @returns what registers them, and ends with the exit code
 */
export const prepareDelegate = async (
  _journalPath: string,
  conversation: Conversation,
): Promise<() => Promise<number>> => {
  const { options, context, caller, lastingCaller, identity, ask, terminal, print } = conversation;
  const { settings } = caller;
  const { targets } = readTargetsFile(settings.TARGETS_FILE, context.folder);
  const { name, existing: target } = await chooseTarget(targets, conversation);
  if (target === undefined) throw new UsageError(`targets.yml has no target ${name}. Set it up first: npm run setup.`);
  const { ecr, runpod } = target;
  const account = accountOf(target, identity.account);
  const client = connect(settings, createReadApiKey(settings), context.interrupted)(runpod.apiKey);
  const [endpoints, delegations] = [
    await createRunpodManagement(client, settings).listEndpoints(),
    await listDelegations(client, settings),
  ];
  const images = endpoints.flatMap(({ image, registry }) => {
    const reference = parseImageReference(image);
    const host = parseEcrHost(reference?.registry ?? '');
    const isOurs = host?.account === account && host.region === ecr.region;
    return reference !== undefined && isOurs && (registry === null || registry === runpod.registry)
      ? [{ image, repository: reference.repository }]
      : [];
  });
  const repositories = [
    ...new Set(images.filter(({ image }) => !isDelegated(delegations, image)).map(({ repository }) => repository)),
  ];
  if (repositories.length === 0) {
    print(`${terminal.paint('green', '✓')} Every repository that these endpoints pull from is delegated already.`);
    return async () => exitCodes.well;
  }

  print('Each of these repositories needs a policy that lets Runpod pull from it; setup changes none:');
  for (const repository of repositories) {
    print(
      `  aws ecr set-repository-policy --region ${ecr.region} --repository-name ${repository} --policy-text '${JSON.stringify(repositoryPolicy)}'`,
    );
  }
  print('A policy that a repository has already must be kept: add the statement to it.');
  print('\nThis will');
  for (const [index, repository] of repositories.entries()) {
    print(`  ${index + 1}. register ${repository} at Runpod, which then pulls it without a credential`);
  }
  if (!(await ask.confirm('Are the policies in place? Go on?'))) {
    print('Nothing was changed.');
    return async () => exitCodes.well;
  }

  return async () => {
    const lasting = connect(lastingCaller.settings, createReadApiKey(lastingCaller.settings))(runpod.apiKey);
    const runpodAccount = createRunpodAccount(lasting, lastingCaller.settings);
    const delegated: string[] = [];
    for (const repository of repositories) {
      if (context.interrupted.aborted) {
        terminal.printError(`Stopped after ${delegated.length} of ${repositories.length}. Run it again to go on.`);
        return exitCodes.interrupted;
      }
      const arn = `arn:${partitionOf(ecr.region)}:ecr:${ecr.region}:${account}:repository/${repository}`;
      const { id } = await runpodAccount.delegate(arn);
      delegated.push(arn);
      print(`${terminal.paint('green', '✓')} Done: registered ${repository} (${plain(id)}).`);
    }
    if (options.json === true) terminal.print(JSON.stringify({ version: 1, delegated }, undefined, 2));
    print(
      '\nThe endpoints keep their credential, and it is kept fresh. Take it from one of them, and see a new worker pull, before you rely on this: docs/delegation.md.',
    );
    return exitCodes.well;
  };
};
