import { createReadApiKey } from '../../functions/lib/aws/api-key.ts';
import { accountOf } from '../../functions/lib/targets.ts';
import { exitCodes, UsageError } from '../../stack/failure.ts';
import { deployCommand, placeOptions } from '../../stack/stack.ts';
import { wrap } from '../terminal.ts';
import type { Conversation } from './conversation.ts';
import { Journal } from './journal.ts';
import { lastingWorkshop, makeAll } from './make-all.ts';
import { chooseImage, isThere, mintTrialToken, planImage } from './plan-canary-image.ts';
import { describePrice, findFlavour } from './pod-price.ts';
import { chooseTarget } from './scope.ts';
import { addCanaryPod, readTargetsFile } from './targets-file.ts';

const everyHours = 24;

/**
 * Offers a canary pod for a target, with its price, and asks whether to make what it needs: a repository, an image, and
 * the line in targets.yml, which comes last.
 *
 * @returns what makes them, and ends with the exit code
 */
export const prepareCanaryPod = async (
  journalPath: string,
  conversation: Conversation,
): Promise<() => Promise<number>> => {
  const { options, context, caller, identity, ask, terminal, print } = conversation;
  const { settings } = caller;
  const printWrapped = (line: string, indent: string): void => print(wrap(line, terminal.columns(), indent));
  const { TARGETS_FILE: path } = settings;
  const { content, targets } = readTargetsFile(path, context.folder);
  const { name, existing: target } = await chooseTarget(targets, conversation);
  if (content === undefined || target === undefined) {
    throw new UsageError(`${path} has no target ${name}. Set it up first: npm run setup.`);
  }
  const { ecr, runpod } = target;
  const source = runpod.podKey ?? runpod.apiKey;
  const key = await createReadApiKey(settings)(source);
  const flavour = await findFlavour(key, source, conversation);

  const { image, repository, tag } = chooseImage(target, conversation);
  const account = accountOf(target, identity.account);
  const minted = await mintTrialToken(target, repository, account, conversation);
  const reference = { registry: minted.registry, repository, tag };
  const isPushed = await isThere(reference, minted, conversation);
  const planned = isPushed ? [] : await planImage(reference, account, ecr.region, conversation);
  if (target.canaryPod === undefined) {
    const after = addCanaryPod(content, name, { image, everyHours }, path);
    const repositories =
      ecr.repositories?.includes(repository) === false ? `, and ${repository} to its ecr.repositories` : '';
    planned.push({
      summary: `add canaryPod: { image: ${image}, everyHours: ${everyHours} } to target ${name} in ${path}${repositories}`,
      change: () => ({ kind: 'targets', path, before: content, after, purpose: 'canary-pod' }),
    });
  }
  const price = describePrice(flavour);
  const changes = planned.map(({ summary }) => summary);
  const end = (next: readonly string[]): number => {
    if (options.json === true) terminal.print(JSON.stringify({ version: 1, changes, price, next }, undefined, 2));
    return exitCodes.well;
  };
  if (planned.length === 0) {
    print(
      `${terminal.paint('green', '✓')} Everything is right already: target ${name} has a canary pod, and ${image} can be pulled.`,
    );
    return async () => end([]);
  }

  const place = { account: identity.account, region: caller.region, stage: caller.stage, apiKey: runpod.apiKey };
  const journal = Journal.open(journalPath, place);
  printWrapped(
    `A canary pod pulls a small image with what Runpod holds, after a refresh and at most once in ${everyHours} h, is seen, and is deleted (docs/canary.md).`,
    '',
  );
  printWrapped(price, '');
  printWrapped(
    `The Runpod key in ${source} must be allowed to list, create and delete pods, and an hour’s credit must be there. It may list them; whether it may create them shows when a run does. runpod.podKey can name a key of its own for it.`,
    '',
  );
  print('\nThis will');
  for (const [index, summary] of changes.entries()) printWrapped(`  ${index + 1}. ${summary}`, '     ');
  if (!(await ask.confirm('Go on?', false))) {
    print('Nothing was changed.');
    return async () => exitCodes.well;
  }

  const workshop = lastingWorkshop(key, source, conversation);
  const secrets = { apiKey: key, tokenOf: () => minted.token };
  return async () => {
    const code = await makeAll({ planned, source, workshop, secrets, journal }, conversation);
    if (code !== exitCodes.well) return code;
    const next = [`Deploy: ${deployCommand(caller)}`, `See how it fares: npm run status -- ${placeOptions(caller)}`];
    print('\nNext');
    for (const [index, step] of next.entries()) printWrapped(`  ${index + 1}. ${step}`, '     ');
    print(`\nUndo it: npm run setup -- --undo --canary-pod ${placeOptions(caller)}`);
    return end(next);
  };
};
