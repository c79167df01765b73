import { createMemory } from '../../functions/lib/memory/memory.ts';
import { targetForm } from '../../functions/lib/memory/target-memory.ts';
import type { IamQuestion } from '../../simulator/iam/iam.ts';
import { buildImage } from '../../simulator/images.ts';
import { account, customerKeyArn, region, World } from '../../simulator/world.ts';
import { deployPullRole, pullRole } from './pull-role.ts';

const hourMs = 3_600_000;

/** One target of each kind: whose key and whose images are where, and named how. */
const targets = `
targets:
  - name: production
    ecr: { region: ${region}, repositories: [team/worker, team/other] }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d }
    endpoints: [{ id: 4m7x2k9q, canary: { input: { prompt: hello } } }, { id: 5n8y3l1r }]
    canaryPod: { image: team/worker:v1, everyHours: 24 }
  - name: elsewhere
    ecr: { region: ${region}, registryId: "${pullRole.account}", roleArn: "${pullRole.arn}", externalId: ${pullRole.externalId}, repositories: [team/model] }
    runpod: { apiKey: "secretsmanager:runpod/key", registry: 7p3m9w5e }
    endpoints: [{ id: 8k2n5v7w, canary: { input: { prompt: hello } } }]
`;

/** Both targets' workflow, and what starts it, tells of it and keeps what failed: all that is asked of IAM on the way. */
export const recordCalls = async (): Promise<{ world: World; questions: readonly IamQuestion[] }> => {
  const world = await World.begin({
    targets,
    environment: { LOG_LISTEN_SECONDS: '0.05', UPSTREAM_TIMEOUT_SECONDS: '0.5' },
  });
  const questions = new Map<string, IamQuestion>();
  const refused: string[] = [];
  world.onQuestion = (question, isAllowed) => {
    const { principal, action, resource, context, via } = question;
    const by = principal.kind === 'service' ? principal.name : principal.callerArn;
    if (isAllowed) questions.set(JSON.stringify([by, action, resource, context, via]), question);
    else refused.push(`${by} ${action} ${resource}`);
  };
  deployPullRole(world);
  world.secrets.secrets.set('runpod/key', world.apiKey);
  world.secrets.keys.set('runpod/key', customerKeyArn).set('/runpod-ecr-refresh/production/api-key', customerKeyArn);
  world.environment = { ...world.environment, CHAT_TOPIC_ARN: String(world.iam.stack.outputs.ChatTopicArn) };
  world.restart();
  world.runpod.addCredential('7p3m9w5e', 'ecr', { username: 'AWS', password: 'never-filled' });
  const host = `${pullRole.account}.dkr.ecr.${region}.amazonaws.com`;
  world.setResourcePolicy(`arn:aws:ecr:${region}:${pullRole.account}:repository/team/model`, 'resource', {
    Version: '2012-10-17',
    Statement: {
      Effect: 'Allow',
      Principal: { AWS: [pullRole.account, account] },
      Action: 'ecr:*',
      Resource: '*',
    },
  });
  const own = world.push('team/worker', 'v1');
  const other = world.push('team/other', 'v1');
  world.registry.push(`${host}/team/model`, 'v1', buildImage({}));
  world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image: own, registry: '6n2k8v4d' });
  world.runpod.addEndpoint({ id: '5n8y3l1r', name: 'other', image: other, registry: '6n2k8v4d' });
  world.runpod.addEndpoint({ id: '8k2n5v7w', name: 'model', image: `${host}/team/model:v1`, registry: '7p3m9w5e' });

  // A target that has left targets.yml is forgotten.
  await createMemory(world.platform().settings).change(targetForm, 'gone', () => ({ runs: [] }));

  // The schedule, a deploy and pushes start runs; the second push of a window finds its run.
  await world.refresh({ trigger: 'schedule' });
  await world.refresh({ trigger: 'deploy' });
  await world.deliverPush('team/worker', 'v1');
  world.faults.add({
    on: /StartExecution/,
    does: {
      answer: { status: 400, headers: {}, body: JSON.stringify({ __type: 'ExecutionAlreadyExists', message: '' }) },
    },
    times: 1,
  });
  await world.deliverPush('team/worker', 'v1');
  await world.deliverPush('team/model', 'v1', pullRole.account);
  for (const { ended } of world.stepFunctions.executions.values()) await world.clock.until(ended);

  // An outage is waited out.
  const end = world.faults.add({ on: /PATCH \/v2/, does: { answer: { status: 503, headers: {}, body: '{}' } } });
  const waiting = world.start();
  await world.clock.advance(hourMs);
  end();
  await world.clock.until(waiting.ended);

  // A token that may pull nothing is withheld, unless the one that Runpod holds ends before the next run.
  const forbid = world.faults.add({ on: /\/manifests\//, does: { answer: { status: 403, headers: {}, body: '' } } });
  await world.refresh();
  forbid();

  // A run that fails tells people, reads what they know from earlier runs, and is told of plainly where notify cannot.
  world.runpod.credentials.clear();
  const repair = world.faults.add({ on: /Publish/, does: { reset: true } });
  await world.refresh();
  repair();
  await world.clock.advance(hourMs);
  await world.refresh();
  await world.sendDigest();
  world.ring('RunFailed');

  // What cannot be started is kept.
  world.triggers.isStartLost = true;
  for (const trigger of ['schedule', 'deploy']) await world.refresh({ trigger }).catch(() => {});
  await world.sendDigest().catch(() => {});
  await world.deliverPush('team/worker', 'v1').catch(() => {});
  world.triggers.isStartLost = false;
  world.faults.add({ on: /StartExecution/, does: { reset: true } });
  await world.deliverPush('team/worker', 'v1').catch(() => {});
  world.faults.clear();
  if (refused.length > 0) throw new Error(`AWS would refuse: ${[...new Set(refused)].join('; ')}`);
  return { world, questions: [...questions.values()] };
};
