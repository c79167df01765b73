import { DescribeRuleCommand, EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { span } from '../../functions/lib/report/alerts.ts';
import { followersOf } from '../../functions/lib/rollout/followers.ts';
import type { Target } from '../../functions/lib/targets.ts';
import type { Caller, Identity } from '../../stack/caller.ts';
import { awsFailure } from '../../stack/failure.ts';
import { endedText, type Listeners, readListeners, wayBack } from '../../stack/listeners.ts';
import { readRollouts, stateOf } from '../../stack/rollouts.ts';
import { type DeployedStack, deployCommand, ownVersion, readStack } from '../../stack/stack.ts';
import { judgeStack } from '../../stack/stack-state.ts';
import { errorOfRun, periodOf, readAlarms, readRuns, readSchedule, targetsOf } from '../../stack/status.ts';
import { type Check, type Finding, NotChecked, need, ok, once, skipped, warning, wrong } from './check.ts';

const group = 'Deployment';
const hourMs = 3_600_000;

const readRule = async ({ aws, stackName }: Caller): Promise<string | undefined> => {
  try {
    const { State } = await new EventBridgeClient(aws).send(new DescribeRuleCommand({ Name: `${stackName}-push` }));
    return State;
  } catch (error) {
    if (error instanceof Error && error.name === 'ResourceNotFoundException') return undefined;
    throw awsFailure('show the rule for pushes', 'events:DescribeRule', error);
  }
};

const judgeListeners = (what: string, listeners: Listeners): Finding => {
  const { confirmed, pending } = listeners;
  const ended = endedText(what, listeners);
  if (ended !== undefined) return (confirmed.length > 0 ? warning : wrong)(ended, wayBack(listeners));
  if (confirmed.length > 0 && pending.length === 0) return ok(`${what} reach ${confirmed.join(', ')}.`);
  if (confirmed.length > 0)
    return warning(
      `${what} do not reach ${pending.join(', ')} yet.`,
      'Confirm the subscription in the email that SNS sent.',
    );
  return pending.length > 0
    ? wrong(
        `${what} reach nobody: ${pending.join(', ')} has not confirmed.`,
        'Confirm the subscription in the email that SNS sent.',
      )
    : wrong(
        `${what} reach nobody.`,
        'Add alerts: { email: [you@example.com] } to targets.yml and deploy, or subscribe to the topic (docs/alerts.md). If somebody was subscribed, a link in a mail has ended it: docs/alerts.md says how to come back.',
      );
};

/** Everything that can be wrong with the deployed stack, in the order in which a person would check it. */
export const stackChecks = ({
  caller,
  identity,
  targets,
  now,
}: {
  readonly caller: Caller;
  readonly identity: () => Promise<Identity>;
  readonly targets: () => Promise<readonly Target[]>;
  readonly now: () => number;
}): Check[] => {
  const found = once(async () => {
    await need('AWS credentials', identity());
    return readStack(caller);
  });
  const stack = async (): Promise<DeployedStack> => {
    const present = await need('a stack', found());
    const { stateMachine, memoryTable } = present ?? {};
    if (present === undefined || stateMachine === undefined || memoryTable === undefined)
      throw new NotChecked('not looked at, for want of a stack.');
    return { ...present, stateMachine, memoryTable };
  };
  const runs = once(async () => readRuns(caller, await stack()));

  return [
    {
      group,
      title: 'stack',
      run: async () => {
        const present = await found();
        if (present === undefined)
          return wrong(
            `There is no stack ${caller.stackName} in ${caller.region}.`,
            `${deployCommand(caller)}; or name its stage and region.`,
          );
        const { name, status, version } = present;
        const { mark, text, remedy } = judgeStack(present, caller);
        if (mark !== 'ok')
          return { mark, text: `Stack ${name} ${text} (${status}).`, remedy: `${remedy.replace(/\.$/, '')}.` };
        if (version !== ownVersion)
          return warning(
            `Stack ${name} is version ${version ?? 'unknown'}, this is ${ownVersion}.`,
            `Deploy it: ${deployCommand(caller)}.`,
          );
        return ok(`Stack ${name} is deployed, version ${version}.`);
      },
    },
    {
      group,
      title: 'schedule',
      run: async () => {
        await stack();
        const schedule = await readSchedule(caller);
        if (schedule === undefined) return wrong('There is no schedule.', 'Deploy again.');
        if (!schedule.isEnabled)
          return wrong('The schedule is switched off.', `Switch it on: EventBridge Scheduler, ${caller.stackName}.`);
        const periodMs = periodOf(schedule.expression);
        if (periodMs === undefined || periodMs > 11 * hourMs) {
          return wrong(
            `The schedule is ${schedule.expression}; a token lives 12 hours.`,
            'Deploy again, with scheduleHours of at most 11.',
          );
        }
        return ok(`The schedule is on: ${schedule.expression}.`);
      },
    },
    {
      group,
      title: 'pushes',
      run: async () => {
        await stack();
        const state = await readRule(caller);
        if (state === undefined) return wrong('There is no rule for image pushes.', 'Deploy again.');
        if (!state.startsWith('ENABLED'))
          return wrong(
            'The rule for image pushes is switched off.',
            `Switch it on: EventBridge, rule ${caller.stackName}-push.`,
          );
        const elsewhere = [...new Set((await targets()).map(({ ecr }) => ecr.region))].filter(
          (region) => region !== caller.region,
        );
        return elsewhere.length === 0
          ? ok('Image pushes start runs.')
          : warning(
              `Image pushes start runs in ${caller.region}; targets are also in ${elsewhere.join(', ')}.`,
              'Forward those pushes: docs/other-regions.md. The schedule looks after them meanwhile.',
            );
      },
    },
    {
      group,
      title: 'listeners',
      run: async () => {
        const { alertTopic, alarmTopic } = await stack();
        const judge = async (what: string, topic: string | undefined): Promise<Finding> =>
          topic === undefined
            ? wrong(`${what} have no topic.`, 'Deploy again.')
            : judgeListeners(what, await readListeners(caller, topic));
        return Promise.all([judge('Alerts', alertTopic), judge('Alarms', alarmTopic)]);
      },
    },
    {
      group,
      title: 'alarms',
      run: async () => {
        await stack();
        const alarms = await readAlarms(caller);
        if (alarms.length === 0) return wrong('There are no alarms.', 'Deploy again.');
        const findings: Finding[] = alarms
          .filter(({ isOpen }) => isOpen)
          .map(({ name, description }) =>
            wrong(
              `Alarm ${name} is open. ${description.replace(/(?<!\s)\s*First:.*$/, '')}`,
              `docs/runbook.md, ${name.slice(caller.stackName.length + 1)}.`,
            ),
          );
        const silent = alarms.filter(({ notifies }) => !notifies).map(({ name }) => name);
        if (silent.length > 0)
          findings.push(
            warning(
              `Alarms tell nobody: the actions of ${silent.join(', ')} are switched off.`,
              'Switch them on in CloudWatch.',
            ),
          );
        return findings.length === 0 ? ok(`${alarms.length} alarms watch, and none is open.`) : findings;
      },
    },
    {
      group,
      title: 'last run',
      run: async () => {
        await stack();
        const { executions, memories } = await runs();
        const last = executions.find(({ stopDate }) => stopDate !== undefined);
        if (last === undefined)
          return warning(
            'No run has ended yet.',
            'One starts by itself right after a deploy: look again in a few minutes.',
          );
        const ago = span(Math.max(0, now() - (last.stopDate?.getTime() ?? 0)));
        if (last.status === 'SUCCEEDED') return ok(`The last run succeeded, ${ago} ago.`);
        const error = errorOfRun(memories, last.executionArn);
        const why = error === undefined ? '' : `: ${error.name}: ${error.message}`;
        return wrong(
          `The last run ended ${last.status}, ${ago} ago${why}`,
          `docs/runbook.md, ${error?.name ?? 'RunFailed'}. Refresh at once from here: npm run refresh.`,
        );
      },
    },
    {
      group,
      title: 'rollouts',
      run: async () => {
        const deployed = await stack();
        const followers = followersOf(await targets());
        if (followers.length > 0 && deployed.rolloutMachine === undefined)
          return warning(
            'targets.yml has rollouts, and the stack rolls nothing out.',
            `Deploy it: ${deployCommand(caller)}.`,
          );
        const records = await readRollouts(caller, deployed);
        const said = targetsOf((await need('the runs', runs())).memories, records).flatMap(
          ({ rollouts = [] }) => rollouts,
        );
        // The last run may have come to nothing, or have been one of npm run refresh, which rolls nothing out.
        const unsaid = followers.flatMap(({ id }) => {
          const record = said.some(({ endpoint }) => endpoint === id) ? undefined : records.get(id);
          return record === undefined ? [] : [{ endpoint: id, ...stateOf(record) }];
        });
        const followed = [...said, ...unsaid];
        if (followed.length === 0) return ok('No endpoint on record follows what is pushed.');
        const isWell = (state: string): boolean => state === 'current' || state === 'rolling' || state === 'recorded';
        return followed.map(({ endpoint, state, why }) => {
          const text = `${endpoint}: ${state}, ${why.replace(/\.$/, '')}.`;
          return isWell(state) ? ok(text) : warning(text, 'See what it wants and was refused: npm run rollout.');
        });
      },
    },
    {
      group,
      title: 'hours left',
      run: async () => {
        await stack();
        const seen = targetsOf((await need('the runs', runs())).memories, new Map());
        const named = await targets();
        if (named.length === 0) return skipped('There is no target.');
        return named.map(({ name }) => {
          const expiresAt = seen.find((each) => each.name === name)?.expiresAt;
          const leftMs = Date.parse(expiresAt ?? '') - now();
          if (Number.isNaN(leftMs))
            return wrong(
              `${name}: no run on record has stored a token.`,
              'Deploy this targets.yml, or refresh at once from here: npm run refresh.',
            );
          if (leftMs <= 0)
            return wrong(
              `${name}: its token expired ${span(-leftMs)} ago.`,
              'Refresh at once from here: npm run refresh.',
            );
          const text = `${name}: its token is good for ${span(leftMs)}.`;
          return leftMs < 3 * hourMs ? warning(text, 'See why it was not replaced: npm run status.') : ok(text);
        });
      },
    },
  ];
};
