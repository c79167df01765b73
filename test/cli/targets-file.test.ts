import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { addTargets } from '../../cli/setup/targets-file.ts';

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
