import { readFileSync, writeFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterEach, describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { type Report, reportSchema } from '../functions/lib/report/report.ts';
import { maxPayloadBytes } from '../runner/engine.ts';
import { World } from '../simulator/world.ts';

const schemaPath = new URL('../docs/report.schema.json', import.meta.url);
const schema = z.toJSONSchema(reportSchema, { target: 'draft-2020-12' });

let world: World;
afterEach(() => world?.end());

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** A world of many targets, each with a Runpod key of its own and three endpoints on one image. */
const beginWithTargets = async (count: number): Promise<World> => {
  const names = Array.from({ length: count }, (_, index) =>
    `target-with-a-rather-long-name-${String(index).padStart(1, '0')}`.slice(-32).replace(/^-+/, ''),
  );
  const targets = names.map(
    (name, index) =>
      `  - { name: ${name}, ecr: { region: us-east-1 }, runpod: { apiKey: "ssm:/key/${index}", registry: r${index} } }`,
  );
  const begun = await World.begin({
    targets: `targets:\n${targets.join('\n')}\n`,
    environment: { UPSTREAM_TIMEOUT_SECONDS: '30' },
  });
  const image = begun.push('team/worker', 'v1', { layers: 1 });
  names.forEach((_, index) => {
    const owner = `rpa_key_of_account_${index}`;
    begun.secrets.parameters.set(`/key/${index}`, owner);
    begun.runpod.keys.set(owner, new Set(['*']));
    begun.runpod.addCredential(`r${index}`, 'ecr', { username: 'AWS', password: 'none' });
    for (const letter of ['a', 'b', 'c']) {
      begun.runpod.addEndpoint({
        id: `endpoint-${index}-${letter}`,
        name: letter,
        image,
        registry: `r${index}`,
        owner,
      });
    }
  });
  return begun;
};

describe('the report', () => {
  it('has the JSON Schema that is published', () => {
    if (process.env.UPDATE_SCHEMA !== undefined) {
      writeFileSync(schemaPath, `${JSON.stringify(schema, undefined, 2)}\n`);
    }
    expect(JSON.parse(readFileSync(schemaPath, 'utf8'))).toEqual(JSON.parse(JSON.stringify(schema)));
  });

  it('of a run fits that schema, and holds what was seen', async () => {
    world = await World.begin();
    const image = world.push('team/worker', 'v1');
    const endpoint = world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
    world.runpod.templates.push({ id: 't1', name: 'base', registry: '6n2k8v4d' });
    world.runpod.startWorker(endpoint);
    await world.clock.advance(1000);
    const { output } = await world.refresh();
    const report: unknown = JSON.parse(output ?? '');
    const validate = new Ajv2020({ strict: false }).compile(JSON.parse(readFileSync(schemaPath, 'utf8')));
    expect(validate(report), JSON.stringify(validate.errors)).toBe(true);
    expect(report).toMatchObject({
      targets: [
        {
          target: 'production',
          way: 'v2',
          endpoints: [{ proof: 'observed', line: expect.stringContaining('Status: Downloaded') }],
          images: [{ layers: 3, behindBy: 0 }],
          otherUsers: ['template base (t1)'],
        },
      ],
    });
  });

  it('names each of its fields and reasons in its documentation', () => {
    const text = readFileSync(new URL('../docs/report.md', import.meta.url), 'utf8');
    const fields = [...JSON.stringify(schema).matchAll(/"(\w+)":\{"(?:type|anyOf|enum|const)"/g)].map(
      ([, name]) => name,
    );
    expect(fields.length).toBeGreaterThan(30);
    const notFields = ['properties', 'items', 'propertyNames', 'additionalProperties'];
    expect(fields.filter((name) => name && !notFields.includes(name) && !text.includes(name))).toEqual([]);
    const source = readFileSync(new URL('../functions/lib/runpod/endpoint-proof.ts', import.meta.url), 'utf8');
    const reasons = [...source.matchAll(/^ {2}\| '([\w-]+)'/gm)].map(([, reason]) => reason);
    expect(reasons.length).toBeGreaterThan(15);
    expect(
      reasons.filter((reason) => reason && reason !== 'waiting-for-worker' && !text.includes(`\`${reason}\``)),
    ).toEqual([]);
  });
});

describe('a run of 1,000 targets with three endpoints each', { timeout: 120_000 }, () => {
  it.each<readonly [string, (begun: World) => void, string]>([
    [
      'half of them in trouble',
      (begun) => {
        for (const [index, endpoint] of [...begun.runpod.endpoints.values()].entries()) endpoint.workersMax = index % 2;
      },
      'SUCCEEDED',
    ],
    ['none of which can be stored', (begun) => begun.runpod.credentials.clear(), 'FAILED'],
  ])('%s stays within what Step Functions holds', async (_what, happen, status) => {
    world = await beginWithTargets(1000);
    happen(world);
    const execution = await world.refresh();
    expect(execution.status).toBe(status);
    const exited = execution.events.findLast((event) => event.type === 'StateExited' && event.state.name === 'Report');
    const reported =
      exited?.type === 'StateExited' ? (exited.state.output as unknown as { report: Report }).report : undefined;
    expect(reported?.targets).toHaveLength(1000);
    expect(new Set(reported?.targets.map(({ target }) => target)).size).toBe(1000);
    const largest = Math.max(
      ...execution.events.map((event) =>
        'state' in event ? Math.max(bytesOf(event.state.input), bytesOf(event.state.output ?? null)) : 0,
      ),
    );
    expect(largest).toBeGreaterThan(10_000);
    expect(largest).toBeLessThanOrEqual(maxPayloadBytes);
    // Each child has a history of its own; here are all of them, of which one holds 25,000 events.
    expect(execution.events.length / 1000).toBeLessThan(250);
  });
});
