import { createReadApiKey } from '../../functions/lib/aws/api-key.ts';
import {
  formatImageReference,
  type ImageReference,
  nameImage,
  parseImageReference,
} from '../../functions/lib/ecr/image-reference.ts';
import type { MintedToken } from '../../functions/lib/ecr/mint-token.ts';
import { createRegistryClient } from '../../functions/lib/ecr/pull.ts';
import { PullError } from '../../functions/lib/ecr/registry.ts';
import { sendUntil } from '../../functions/lib/http.ts';
import { accountOf, repositoryPattern, type Target } from '../../functions/lib/targets.ts';
import { CommandError, exitCodes, UsageError } from '../../stack/failure.ts';
import { deployCommand, placeOptions } from '../../stack/stack.ts';
import { wrap } from '../terminal.ts';
import { buildCanaryImage } from './canary-image.ts';
import { findRepository } from './canary-repository.ts';
import type { Conversation } from './conversation.ts';
import { Journal } from './journal.ts';
import { lastingWorkshop, makeAll } from './make-all.ts';
import { mintForSetup } from './mint.ts';
import type { PlannedChange } from './plan.ts';
import { describePrice, findFlavour } from './pod-price.ts';
import { chooseTarget } from './scope.ts';
import { addCanaryPod, readTargetsFile } from './targets-file.ts';

const usualRepository = 'runpod-canary';
const usualTag = 'v1';
const everyHours = 24;

/** An image of the target's registry, by its tag. */
type TaggedImage = ImageReference & { readonly tag: string };

/** Mints the token that the image is tried with: by the target's role where it can be assumed from here. */
const mintFor = async (
  { ecr }: Target,
  repository: string,
  account: string,
  conversation: Conversation,
): Promise<MintedToken> => {
  const { region, roleArn, repositories } = ecr;
  const wide = repositories === undefined ? ecr : { ...ecr, repositories: [...repositories, repository] };
  const mint = async () => {
    const token = await mintForSetup(wide, conversation);
    const isOwn = account === conversation.identity.account;
    return token === undefined && isOwn ? mintForSetup({ region }, conversation) : token;
  };
  const token = await conversation.terminal.during(`asking ECR in ${region} for a token that may only pull`, mint());
  if (token !== undefined) return token.minted;
  throw new CommandError(
    `${roleArn} cannot be assumed from here, so whether the image is there is not known. Push a small image for linux/amd64 to the registry of ${account}, and add canaryPod to targets.yml by hand (docs/canary.md). Nothing was changed.`,
  );
};

/** Whether an image is there, for the token that Runpod would hold. @throws {CommandError} that token may not pull it */
const isThere = async (
  image: ImageReference,
  { token }: MintedToken,
  { caller, context, terminal }: Conversation,
): Promise<boolean> => {
  const registry = createRegistryClient(caller.settings, sendUntil(context.interrupted));
  try {
    await terminal.during(`asking ECR for ${nameImage(image)}`, registry.tryImage(image, token));
    return true;
  } catch (error) {
    if (!(error instanceof PullError)) throw error;
    if (error.problem === 'image-missing') return false;
    throw new CommandError(`${nameImage(image)} cannot be used: ${error.advice}. Nothing was changed.`);
  }
};

/** What makes the image, where it is missing. */
const planImage = async (
  image: TaggedImage,
  account: string,
  region: string,
  { caller, identity, terminal, print }: Conversation,
): Promise<PlannedChange[]> => {
  const { repository, tag } = image;
  if (account !== identity.account) {
    throw new CommandError(
      `${formatImageReference(image)} is not there, and setup makes none in another account: you are in ${identity.account}. Push a small image for linux/amd64 there, and run this again: it then adds the canary pod to targets.yml.`,
    );
  }
  const { blobs, manifest } = buildCanaryImage();
  const bytes = [...blobs, manifest].reduce((sum, each) => sum + each.bytes.byteLength, 0);
  const found = await terminal.during(
    `asking ECR for repository ${repository}`,
    findRepository(caller, region, repository),
  );
  if (found?.isOurs === false) {
    print(
      wrap(
        `! ECR repository ${repository} is there, and setup has not made it: see that no lifecycle rule of it deletes the image.`,
        terminal.columns(),
        '  ',
      ),
    );
  }
  const push: PlannedChange = {
    summary: `push an image of ${bytes} bytes, ${repository}:${tag}`,
    change: () => ({ kind: 'image', region, repository, tag, digest: manifest.digest, purpose: 'canary-pod' }),
  };
  if (found !== undefined) return [push];
  return [
    {
      summary: `create ECR repository ${repository} in ${region}, whose tags stay with their images`,
      change: () => ({ kind: 'repository', region, name: repository, purpose: 'canary-pod' }),
    },
    push,
  ];
};

/** The image that the pod pulls, without its registry: the target's own, else the one of the repository that is named. */
const chooseImage = ({ canaryPod }: Target, { options: { repository } }: Conversation) => {
  if (repository !== undefined && !repositoryPattern.test(repository)) {
    throw new UsageError(
      `--repository: expected a name such as ${usualRepository}, found ${JSON.stringify(repository)}.`,
    );
  }
  const image = canaryPod?.image ?? `${repository ?? usualRepository}:${usualTag}`;
  const reference = parseImageReference(`registry.example/${image}`);
  if (reference === undefined || reference.digest !== undefined) {
    throw new CommandError(
      `canaryPod.image is ${image}: setup takes care of an image that is named by its tag. Nothing was changed.`,
    );
  }
  return { image, repository: reference.repository, tag: reference.tag ?? 'latest' };
};

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
  const minted = await mintFor(target, repository, account, conversation);
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
