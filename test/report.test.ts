import { readFileSync, writeFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterEach, describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { reportSchema } from '../functions/lib/report/report.ts';
import { maxPayloadBytes } from '../runner/engine.ts';
import { inputs } from '../simulator/inputs.ts';
import { beginWithTargets } from '../simulator/many-targets.ts';
import { World } from '../simulator/world.ts';
import { largestPayload, reportOf, troubles } from './support/many-targets.ts';

const schemaPath = new URL('../docs/report.schema.json', import.meta.url);
const schema = z.toJSONSchema(reportSchema, { target: 'draft-2020-12' });

let world: World;
afterEach(() => world?.end());

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

  it('of a run names a template whose image is gone', async () => {
    world = await World.begin();
    const image = world.push('team/worker', 'v1');
    world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
    const gone = image.replace(':v1', ':v0');
    world.runpod.templates.push({ id: 't1', name: 'base', registry: '6n2k8v4d', image: gone });
    world.runpod.pods.push({ id: 'p1', name: 'pod', registry: '6n2k8v4d', image });
    const { status, output } = await world.refresh();
    expect(status).toBe('SUCCEEDED');
    expect(JSON.parse(output ?? '')).toMatchObject({
      targets: [
        {
          proofs: { tested: 1, degraded: 1 },
          endpoints: [
            { endpoint: 'template base (t1)', proof: 'degraded', evidence: expect.stringContaining(':v0') },
            { endpoint: '4m7x2k9q', proof: 'tested' },
          ],
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

/** What ResolveTargets hands on of all targets. */
interface Resolved {
  readonly names: readonly string[];
  readonly outcomeBytes: number;
}

describe('a run of 1,000 targets with three endpoints each', () => {
  it.each(troubles)('$what would stay within what Step Functions holds, by what 20 and 40 of them take', async ({
    happen,
    status,
  }) => {
    world = await beginWithTargets(1000);
    happen(world);
    const { invoke } = world;
    const { names, outcomeBytes } = (await invoke('resolve-targets', inputs.resolveTargets())) as Resolved;
    expect(names).toHaveLength(1000);
    // Each target may say as much as it may beside 999 others.
    world.invoke = async (name, event) => {
      const answer = await invoke(name, event);
      return name === 'resolve-targets' ? { ...(answer as Resolved), outcomeBytes } : answer;
    };
    const runOf = async (targets: number) => {
      const execution = await world.refresh({ targets: names.slice(0, targets) });
      expect(execution.status).toBe(status);
      expect(new Set(reportOf(execution).targets.map(({ target }) => target)).size).toBe(targets);
      return { bytes: largestPayload(execution), events: execution.events.length };
    };
    const [some, twice] = [await runOf(20), await runOf(40)];
    const bytesPerTarget = (twice.bytes - some.bytes) / 20;
    expect(bytesPerTarget).toBeGreaterThan(50);
    expect(twice.bytes + 960 * bytesPerTarget).toBeLessThanOrEqual(maxPayloadBytes);
    // Each child has a history of its own; here are all of them, of which one holds 25,000 events.
    expect((twice.events - some.events) / 20).toBeLessThan(250);
  });
});
