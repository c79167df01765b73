import type { Context } from 'aws-lambda';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { handler as concludeTarget } from '../../../functions/conclude-target.ts';
import { send } from '../../../functions/lib/http.ts';
import { isoSeconds, lambda } from '../../../functions/lib/platform.ts';
import { handler as report } from '../../../functions/report.ts';
import { executionArn } from '../../../simulator/inputs.ts';

const context = { functionName: 'f', awsRequestId: 'r' } as Context;

let written: string[];

beforeEach(() => {
  written = [];
  vi.stubEnv('POWERTOOLS_DEV', 'true');
  vi.stubEnv('POWERTOOLS_METRICS_DISABLED', 'false');
  for (const method of ['info', 'error', 'log', 'debug', 'warn'] as const) {
    vi.spyOn(console, method).mockImplementation((line: unknown) => void written.push(String(line)));
  }
});

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

describe('a handler', () => {
  it('answers, and logs that it did', async () => {
    const outcome = await concludeTarget({ name: 'a', outcomeBytes: 1000, startAt: '2026-11-23T12:00:00Z' }, context);
    expect(outcome).toMatchObject({ target: 'a' });
    expect(written.join()).toContain('conclude-target answered');
    await concludeTarget({ name: 'b', outcomeBytes: 1000, startAt: '2026-11-23T12:00:00Z' }, context);
  });

  it('reports a faulty environment as the error the state machine knows', async () => {
    vi.stubEnv('UPSTREAM_TIMEOUT_SECONDS', 'soon');
    // Built here: one that another test has called has its environment already.
    const faulty = lambda('faulty', () => () => Promise.resolve());
    await expect(faulty({}, context)).rejects.toMatchObject({
      name: 'ConfigurationError',
      message: expect.stringContaining('UPSTREAM_TIMEOUT_SECONDS'),
    });
  });

  it('logs an error and throws it on', async () => {
    const failing = lambda('failing', () => () => Promise.reject(new TypeError('broken')));
    await expect(failing({}, context)).rejects.toBeInstanceOf(TypeError);
    expect(written.join()).toContain('failing failed');
    expect(written.join()).toContain('broken');
  });

  it('emits metrics in CloudWatch’s embedded format', async () => {
    await report({ execution: executionArn, startedAt: '2026-11-23T12:00:00Z', run: {} }, context);
    const metrics = written
      .filter((line) => line.includes('_aws'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(metrics.find((each) => 'EndpointsTested' in each)).toMatchObject({
      // As the alarms and the dashboard name it: one set of two dimensions.
      _aws: { CloudWatchMetrics: [{ Namespace: 'RunpodEcrRefresh', Dimensions: [['service', 'Stack']] }] },
      service: 'report',
    });
  });

  it('is given a way to sleep and to send', async () => {
    const sleepy = lambda('sleepy', (platform) => async () => {
      await platform.sleep(1);
      return platform.send;
    });
    expect(await sleepy({}, context)).toBe(send);
  });
});

describe('a time for the state machine', () => {
  it('is in UTC and to the second', () => {
    expect(isoSeconds(Date.parse('2026-11-23T13:00:00.999+01:00'))).toBe('2026-11-23T12:00:00Z');
  });
});
