import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { unusedFunctions } from '../../infra/without-unused.ts';
import { functionNames } from '../../runner/functions.ts';
import { copyProject, maxPackagingMs } from '../../simulator/packaged.ts';

const targets = `
targets:
  - name: production
    ecr: { region: us-east-1 }
    runpod: { apiKey: "ssm:/key", registry: 6n2k8v4d }
`;

const remove: Array<() => void> = [];
afterEach(() => {
  for (const each of remove.splice(0)) each();
});

const copy = (yaml: string) => {
  const project = copyProject(yaml);
  remove.push(project.remove);
  return project;
};

/** Everything that a function's bundle holds. */
const textOf = (folder: string): string =>
  readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');

describe('what serverless package makes of targets.yml', { timeout: maxPackagingMs }, () => {
  it('tells whom it names, has its settings for the stage, and puts no address into a bundle', () => {
    const stack = copy(`${targets}
alerts: { email: [told@corp.example], pager: ["secretsmanager:team/pager", "https://events.example/key"] }
settings:
  retryMinutes: 20
  propagationMinutes: 5
  pushWindowSeconds: 30
  updateWay: v2
  runpodRequestsPerMinute: 45
  logRetentionDays: 90
  stages: { prod: { scheduleHours: 2, retryMinutes: 40 } }
`).packageStack('--stage', 'prod', '--param=propagationMinutes=7');
    const { Resources } = stack.template;
    const email = { Protocol: 'email', Endpoint: 'told@corp.example' };
    expect(Resources.AlertTopic?.Properties.Subscription).toEqual([email]);
    expect(Resources.AlarmTopic?.Properties.Subscription).toEqual([
      email,
      { Protocol: 'https', Endpoint: '{{resolve:secretsmanager:team/pager:SecretString}}' },
      { Protocol: 'https', Endpoint: 'https://events.example/key' },
    ]);
    const functions = Object.values(Resources).filter(({ Type }) => Type === 'AWS::Lambda::Function');
    // It names no rollout and no canary pod: nothing of it rolls images out, and nothing creates pods.
    const unused = unusedFunctions({ hasRollouts: false, hasCanaryPods: false });
    const names = functionNames.filter((name) => !unused.includes(name));
    expect(functions).toHaveLength(names.length);
    const dashboard = JSON.stringify(Resources.Dashboard);
    expect(dashboard).toContain('EndpointsObserved');
    expect(dashboard).not.toContain('MinutesFromPushToProven');
    expect(dashboard).toContain('${RunFailed.Arn}');
    expect(dashboard).not.toContain('RolloutFailed');
    for (const { Properties } of functions) {
      expect(Properties.Environment).toMatchObject({
        Variables: {
          SCHEDULE_HOURS: '2',
          RETRY_MINUTES: '40',
          PROPAGATION_MINUTES: '7',
          PUSH_WINDOW_SECONDS: '30',
          RUNPOD_UPDATE_WAY: 'v2',
          RUNPOD_REQUESTS_PER_MINUTE: '45',
        },
      });
    }
    expect(Resources.Schedule?.Properties.ScheduleExpression).toBe('rate(2 hours)');
    expect(
      Object.values(Resources)
        .filter(({ Type }) => Type === 'AWS::Logs::LogGroup')
        .map(({ Properties }) => Properties.RetentionInDays),
    ).toContain(90);
    for (const name of names) {
      expect(textOf(stack.unpack(name)), name).not.toMatch(/corp\.example|team\/pager|events\.example/);
    }
    expect(textOf(stack.unpack('resolve-targets'))).toContain('6n2k8v4d');
  });

  it('prints a mistake as its sentence in front, and no stack trace', () => {
    const { status, stdout, stderr } = copy(`${targets}settings: { scheduelHours: 5 }`).serverless('package');
    expect(status).toBe(1);
    expect(`${stderr}${stdout}`).toMatch(
      /^targets\.yml has a mistake:\n {2}line 6: settings\.scheduelHours: there is no such setting; did you mean scheduleHours\?\n$/,
    );
  });

  it('stops at a parameter that every run would fail with', () => {
    const { status, stdout, stderr } = copy(targets).serverless('package', '--param=retryMinutes=abc');
    expect(status).toBe(1);
    expect(`${stderr}${stdout}`).toBe('param retryMinutes: expected a number from 1 to 120, found "abc"\n');
  });
});
