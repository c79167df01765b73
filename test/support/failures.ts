import type { FaultEffect, Faults } from '../../simulator/loopback.ts';

const answer = (status: number, body = '{"message":"no"}', headers: Record<string, string> = {}): FaultEffect => ({
  answer: { status, headers: { 'content-type': 'application/json', ...headers }, body },
});

const slowDown = (seconds: number): FaultEffect =>
  answer(429, '{"message":"slow down"}', { 'retry-after': String(seconds) });

/** Every way an upstream can let us down, by name. */
export const failures = {
  '401': answer(401),
  '403': answer(403),
  '404': answer(404),
  '405': answer(405),
  '410': answer(410),
  '429 with Retry-After': slowDown(12),
  '500': answer(500),
  '503': answer(503),
  reset: { reset: true },
  hang: { hang: true },
  'truncated JSON': { truncate: { status: 200, headers: { 'content-type': 'application/json' }, body: '{"id":"6n2' } },
  'HTML 200': {
    answer: { status: 200, headers: { 'content-type': 'text/html' }, body: '<!doctype html><title>Sign in</title>' },
  },
  'empty 200': { answer: { status: 200, body: '' } },
  'a body that never ends': {
    endless: { status: 200, headers: { 'content-type': 'application/json' }, body: 'x'.repeat(65_536) },
  },
} as const satisfies Record<string, FaultEffect>;

/** The same of AWS, whose clients obey Retry-After by themselves: a test need not wait. */
export const awsFailures = { ...failures, '429 with Retry-After': slowDown(0) };

/** AWS refuses by its JSON protocols, whichever of them a service speaks. */
export const awsRefuses: FaultEffect = {
  answer: {
    status: 400,
    headers: { 'content-type': 'application/x-amz-json-1.1' },
    body: '{"__type":"AccessDeniedException","message":"no"}',
  },
};

/** Tells when the first request arrives that an effect concerns. */
export const whenAsked = (faults: Faults, on: RegExp, does: FaultEffect) => {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const test = (request: string): boolean => {
    const isMeant = on.test(request);
    if (isMeant) resolve();
    return isMeant;
  };
  return { asked, repair: faults.add({ on: { test }, does }) };
};

export type FailureName = keyof typeof failures;
export const failureNames = Object.keys(failures) as FailureName[];

/** What a promise ended with: an error's name, or `fine`. */
export const nameOfEnd = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return 'fine';
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
};
