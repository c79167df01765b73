import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { addCanaryPod, addTargets } from '../../cli/setup/targets-file.ts';

it('keeps who is told, the settings and every comment when a target is added', () => {
  const before = `# ours
targets:
  # the first
  - name: production
    ecr: { region: us-east-1 } # near
    runpod: { apiKey: "ssm:/key", registry: 6n2k8v4d }

# whom to call
alerts:
  email: [a@example.com] # the team
  pager: ["secretsmanager:pager"]
settings: { scheduleHours: 5, stages: { prod: { scheduleHours: 2 } } } # fast
`;
  const target = {
    name: 'research',
    ecr: { region: 'eu-west-1' },
    runpod: { apiKey: 'ssm:/other', registry: '9q4m7x2k' },
  };
  const after = addTargets(before, [target]);
  const { targets, ...kept } = parse(before) as { targets: object[] };
  expect(parse(after)).toEqual({ targets: [...targets, target], ...kept });
  for (const [comment] of before.matchAll(/#.*$/gm)) expect(after).toContain(comment);
});

const canaryPod = { image: 'runpod-canary:v1', everyHours: 24 };
const line = 'canaryPod: { image: runpod-canary:v1, everyHours: 24 }';
const addTo = (content: string, name = 'production') => addCanaryPod(content, name, canaryPod, 'targets.yml');
const runpod = 'runpod: { apiKey: "ssm:/key", registry: 6n2k8v4d }';

it.each([
  [
    'blocks',
    `targets:\n  - name: production\n    ecr:\n      region: us-east-1   # near\n    ${runpod}   # ours\n    # endpoints: [x]\n`,
    `targets:\n  - name: production\n    ecr:\n      region: us-east-1   # near\n    ${runpod}   # ours\n    ${line}\n    # endpoints: [x]\n`,
  ],
  [
    'a list that is not indented',
    `targets:\n- ${runpod}\n  name: production\n  ecr:\n    region: us-east-1`,
    `targets:\n- ${runpod}\n  name: production\n  ecr:\n    region: us-east-1\n  ${line}`,
  ],
  [
    'braces',
    `targets: [{ name: production, ecr: { region: us-east-1 }, ${runpod} }] # all\n`,
    `targets: [{ name: production, ecr: { region: us-east-1 }, ${runpod}, ${line} }] # all\n`,
  ],
  [
    'the lines of Windows',
    `targets:\r\n  - name: production\r\n    ecr: { region: us-east-1 }\r\n    ${runpod}\r\nsettings: { scheduleHours: 5 }\r\n`,
    `targets:\r\n  - name: production\r\n    ecr: { region: us-east-1 }\r\n    ${runpod}\r\n    ${line}\r\nsettings: { scheduleHours: 5 }\r\n`,
  ],
  [
    'repositories in brackets',
    `targets:\n  - name: production\n    ecr: { region: us-east-1, repositories: [team/worker] }\n    ${runpod}\n`,
    `targets:\n  - name: production\n    ecr: { region: us-east-1, repositories: [team/worker, runpod-canary] }\n    ${runpod}\n    ${line}\n`,
  ],
  [
    'repositories in lines',
    `targets:\n  - name: production\n    ${runpod}\n    ecr:\n      repositories:\n        - team/worker # big\n        - team/other\n      region: us-east-1\n`,
    `targets:\n  - name: production\n    ${runpod}\n    ecr:\n      repositories:\n        - team/worker # big\n        - team/other\n        - runpod-canary\n      region: us-east-1\n    ${line}\n`,
  ],
  [
    'its repository among others',
    `targets:\n  - name: production\n    ecr: { region: us-east-1, repositories: [runpod-canary, team/worker] }\n    ${runpod}\n`,
    `targets:\n  - name: production\n    ecr: { region: us-east-1, repositories: [runpod-canary, team/worker] }\n    ${runpod}\n    ${line}\n`,
  ],
])('adds a canary pod to a target that is written in %s, and touches nothing else', (_how, before, after) => {
  expect(addTo(before)).toBe(after);
});

it('adds a canary pod to the target that is meant, of the example', () => {
  const example = readFileSync(new URL('../../targets.example.yml', import.meta.url), 'utf8');
  const after = addTo(example);
  expect(after.split('\n').filter((each) => !example.split('\n').includes(each))).toEqual([`    ${line}`]);
  const second = `${runpod.replace('6n2k8v4d', '9q4m7x2k')}`;
  const two = `targets:\n  - name: production\n    ecr: { region: us-east-1 }\n    ${runpod}\n  - name: research\n    ecr: { region: us-east-1 }\n    ${second}\n`;
  expect(addTo(two, 'research')).toBe(`${two}`.replace(/\n$/, `\n    ${line}\n`));
  expect(addTo(two, 'production')).toContain(`${runpod}\n    ${line}\n  - name: research`);
});

it('leaves a file to its owner that is written in a way it does not know, and says what to write', () => {
  const content = `targets:\n  - ? name\n    : production\n    ecr: { region: us-east-1 }\n    ${runpod}\n`;
  expect(() => addTo(content)).toThrow(
    `targets.yml is written in a way that setup does not add to. Add this to target production yourself, and run this again: ${line}`,
  );
});
