import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import middy, { type MiddlewareObj } from '@middy/core';
import type { Context } from 'aws-lambda';
import * as z from 'zod/mini';
import type { Seal, Unseal } from './aws/seal.ts';
import { processSettings, type Settings } from './env.ts';
import { InvalidInputError } from './errors.ts';
import { parseOr } from './explain-issues.ts';
import { type Send, send } from './http.ts';
import type { Memory } from './memory/memory.ts';
import type { LoadTargets } from './targets.ts';

/** Writes structured lines for people who look into a run. Never given a secret. */
export interface Log {
  info(message: string): void;
  error(message: string, error: unknown): void;
}

/** What we count and measure, by name; each name has one unit. */
export const metricUnits = {
  TokenSecondsLeft: MetricUnit.Seconds,
  TargetTokenSecondsLeft: MetricUnit.Seconds,
  ScheduledRunsReported: MetricUnit.Count,
  EndpointsObserved: MetricUnit.Count,
  EndpointsTested: MetricUnit.Count,
  EndpointsDegraded: MetricUnit.Count,
  EndpointsFailed: MetricUnit.Count,
  MinutesFromPushToProven: MetricUnit.NoUnit,
} as const;
export type MetricName = keyof typeof metricUnits;

/** Emits metrics in CloudWatch's embedded metric format. */
export interface Meter {
  /** @param at when it was so, in epoch milliseconds; now, where left out */
  add(name: MetricName, value: number, dimensions?: Record<string, string>, at?: number): void;
}

/** What every function gets from outside. Tests and the embedded world bring their own. */
export interface BasePlatform {
  readonly settings: Settings;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly send: Send;
  readonly log: Log;
  readonly meter: Meter;
}

/** All that functions get from outside. What some need alone is added in their own files: no other bundle carries it. */
export interface Platform extends BasePlatform {
  readonly seal: Seal;
  readonly unseal: Unseal;
  readonly loadTargets: LoadTargets;
  readonly memory: Memory;
}

/** What a function does, free of Lambda. */
export type LambdaFunction<Output> = (event: unknown) => Promise<Output>;

const namespace = 'RunpodEcrRefresh';

const lambdaPlatform = (name: string): BasePlatform => {
  const logger = new Logger({ serviceName: name });
  const settings = processSettings();
  return {
    settings,
    now: Date.now,
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
    send,
    log: {
      info: (message) => logger.info(message),
      error: (message, error) => logger.error(message, { error }),
    },
    meter: {
      add: (metric, value, dimensions = {}, at = Date.now()) => {
        // One EMF line each, because each may have dimensions of its own.
        const metrics = new Metrics({ namespace, serviceName: name, singleMetric: true });
        metrics.setTimestamp(at);
        metrics.addDimensions({ Stack: settings.STACK_NAME, ...dimensions });
        metrics.addMetric(metric, metricUnits[metric], value);
      },
    },
  };
};

/** Logs how each call ended. Observes and rethrows: an `onError` that returned a value would turn failure into success. */
const observe = <Output>(
  name: string,
  { log }: Pick<Platform, 'log'>,
): MiddlewareObj<unknown, Output, Error, Context> => {
  return {
    after: () => log.info(`${name} answered`),
    onError: ({ error }) => log.error(`${name} failed`, error),
  };
};

/** Wraps a function with what every function does around its work. */
export const withPlatform = <Output>(
  name: string,
  platform: Pick<Platform, 'log'>,
  lambdaFunction: LambdaFunction<Output>,
) =>
  middy<unknown, Output, Error, Context>()
    .use(observe<Output>(name, platform))
    .handler((event) => lambdaFunction(event));

/**
 * Makes a Lambda handler that is built on its first call, not when it is loaded: a faulty environment then reaches the
 * state machine as the ConfigurationError it is, and not as a nameless failure to start.
 */
export const lambda = <Output>(name: string, build: (platform: BasePlatform) => LambdaFunction<Output>) => {
  let handler: ReturnType<typeof withPlatform<Output>> | undefined;
  return async (event: unknown, context: Context): Promise<Output> => {
    if (handler === undefined) {
      const platform = lambdaPlatform(name);
      handler = withPlatform(name, platform, build(platform));
    }
    return handler(event, context);
  };
};

/** Parses what a function was called with. Found values are not repeated: they may be anything. */
export const parseInput = <Schema extends z.ZodMiniType>(
  name: string,
  schema: Schema,
  event: unknown,
): z.output<Schema> =>
  parseOr(
    schema,
    event,
    (mistakes) => new InvalidInputError(`${name} was called with something it does not take. ${mistakes.join('; ')}.`),
    false,
  );

/** A moment as the state machine writes it (ISO 8601), read as epoch milliseconds. */
export const moment = z.pipe(
  z.string().check(z.refine((text) => !Number.isNaN(Date.parse(text)), 'expected a time such as 2026-11-23T17:40:00Z')),
  z.transform((text) => Date.parse(text)),
);

/** An execution's ARN, from which we learn the account we run in. */
export const ownAccountSchema = z.pipe(
  z.string().check(z.regex(/^arn:[^:]+:states:[^:]+:\d{12}:/, 'expected the ARN of an execution')),
  z.transform((arn) => arn.replace(/^(?:[^:]+:){4}(\d{12}):.*$/s, '$1')),
);

/** Epoch milliseconds as the state machine reads them: ISO 8601 in UTC, to the second as Wait states want it. */
export const isoSeconds = (milliseconds: number): string => `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
