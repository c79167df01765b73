import { describe, expect, it } from 'vitest';
import { type EndpointView, judgeEndpoint, nextCheck } from '../../../../functions/lib/runpod/endpoint-proof.ts';

const minuteMs = 60_000;
const storedAt = Date.parse('2026-11-23T12:00:00Z');
const registry = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
const image = `${registry}/team/worker:v1`;

const view = (more: Partial<EndpointView> = {}): EndpointView => ({
  endpoint: { id: 'ep', name: 'images', image, registry: 'cred', workers: { max: 3 } },
  endpointId: 'ep',
  isNamed: false,
  credentialId: 'cred',
  registry,
  image: { digest: `sha256:${'ab'.repeat(32)}` },
  workers: [],
  canary: undefined,
  storedAt,
  firstLookAt: storedAt,
  now: storedAt + minuteMs,
  propagationMs: 10 * minuteMs,
  ...more,
});

type EndpointFields = Partial<NonNullable<EndpointView['endpoint']>>;
const withEndpoint = (fields: EndpointFields, more: Partial<EndpointView> = {}) => {
  const plain = view();
  if (plain.endpoint === undefined) throw new Error('the view has an endpoint');
  return view({ endpoint: { ...plain.endpoint, ...fields }, ...more });
};

/** Minutes after the update, and what was logged then. */
type Lines = ReadonlyArray<readonly [number, string]>;

const worker = (lines: Lines = [], status = 'INITIALIZING', startedAt: number | null = storedAt) => ({
  worker: {
    id: `w-${status}`,
    status,
    startedAt: startedAt === null ? null : new Date(startedAt).toISOString(),
  },
  log: lines.map(([minutes, line]) => ({ at: storedAt + minutes * minuteMs, line })),
});

const refused =
  'error pulling image: Error response from daemon: denied: Your authorization token has expired. Reauthenticate and try again.';
const noImage = 'error creating container: Error response from daemon: No such image: x';
const missing = 'error pulling image: manifest for x not found: manifest unknown';
const pulled = `Status: Downloaded newer image for ${image}`;
const disk = 'failed to register layer: no space left on device';
const wrong = 'exec format error';
const tooMany = 'toomanyrequests: Rate exceeded';

describe('the proof of an endpoint', () => {
  const at = (minutes: number, ...workers: ReturnType<typeof worker>[]) =>
    view({ workers, now: storedAt + minutes * minuteMs });

  it.each<readonly [string, EndpointView, string]>([
    ['has had no worker since', view(), 'tested: token-pulled'],
    ['has only workers from before', at(1, worker([], 'IDLE', storedAt - minuteMs)), 'tested: token-pulled'],
    ['is gone', view({ endpoint: undefined }), 'degraded: endpoint-missing'],
    ['is named and does not exist', view({ endpoint: undefined, isNamed: true }), 'failed: endpoint-missing'],
    ['uses another credential', withEndpoint({ registry: 'other' }), 'failed: other-credential'],
    ['uses no credential', withEndpoint({ registry: null }), 'failed: other-credential'],
    ['has an image of Docker Hub', withEndpoint({ image: 'runpod/base:1' }), 'degraded: other-registry'],
    [
      'is named and has an image of Docker Hub',
      withEndpoint({ image: 'runpod/base:1' }, { isNamed: true }),
      'failed: other-registry',
    ],
    ['has no image', withEndpoint({ image: '' }), 'failed: bad-reference'],
    ['has an image with a scheme', withEndpoint({ image: 'https://a.example/b' }), 'failed: bad-reference'],
    ['has an image with a blank at its end', withEndpoint({ image: 'team/worker:v1 ' }), 'failed: bad-reference'],
    ['has an image with capitals', withEndpoint({ image: 'Team/Worker' }), 'failed: bad-reference'],
    [
      'has an image that the token did not pull',
      view({ image: { problem: 'gone', isPassing: false } }),
      'failed: image-not-pullable',
    ],
    [
      'has an image that could not be tried',
      view({ image: { problem: 'slow', isPassing: true } }),
      'degraded: image-not-tried',
    ],
    ['is parked', withEndpoint({ workers: { max: 0 } }), 'degraded: parked'],
    [
      'does not say how many workers it may have',
      withEndpoint({ workers: { max: undefined } }),
      'tested: token-pulled',
    ],
    [
      'has a worker that pulled',
      at(
        1,
        worker([
          [0.5, refused],
          [0.6, noImage],
          [0.8, pulled],
        ]),
      ),
      'observed: worker-pulled',
    ],
    [
      'has a worker that pulled beside one that is refused',
      at(20, worker([[19, refused]]), worker([[1, pulled]], 'IDLE')),
      'observed: worker-pulled',
    ],
    [
      'is refused within the window',
      at(
        5,
        worker([
          [4, refused],
          [4, noImage],
        ]),
      ),
      'pending: waiting-for-worker',
    ],
    ['is refused, and the window has just closed', at(10.5, worker([[10.2, refused]])), 'pending: waiting-for-worker'],
    ['is refused after the window', at(11, worker([[10.9, refused]])), 'failed: login-refused'],
    ['was refused in the window and is silent since', at(12, worker([[9, refused]])), 'degraded: stuck'],
    ['is refused at the window’s very end', at(11, worker([[10, refused]])), 'degraded: stuck'],
    ['did not find its image in the window and is silent since', at(12, worker([[9, missing]])), 'degraded: stuck'],
    ['did not find its image at the window’s very end', at(11, worker([[10, missing]])), 'degraded: stuck'],
    [
      'does not find its image, and the window has just closed',
      at(10.7, worker([[10.5, missing]])),
      'pending: waiting-for-worker',
    ],
    ['is refused once it has settled', at(10.75, worker([[10.5, refused]])), 'failed: login-refused'],
    ['does not find its image after the window', at(11, worker([[10.9, missing]])), 'failed: image-missing'],
    ['is throttled by ECR within the window', at(5, worker([[4, tooMany]])), 'pending: waiting-for-worker'],
    ['is throttled by ECR after the window', at(11, worker([[10.9, tooMany]])), 'degraded: throttled'],
    ['has no disk', at(1, worker([[0.5, disk]])), 'degraded: out-of-disk'],
    ['has an image for another processor', at(1, worker([[0.5, wrong]])), 'degraded: wrong-architecture'],
    ['has a worker starting', at(1, worker()), 'pending: waiting-for-worker'],
    ['has a worker that has not begun', at(1, worker([], 'INITIALIZING', null)), 'pending: waiting-for-worker'],
    ['has a worker starting for 7 minutes', at(7, worker()), 'degraded: stuck'],
    ['has a worker that has not begun for 7 minutes', at(7, worker([], 'INITIALIZING', null)), 'degraded: stuck'],
    ['has a worker starting for almost 7 minutes', at(6.99, worker()), 'pending: waiting-for-worker'],
    ['has an unhealthy worker', at(1, worker([], 'UNHEALTHY')), 'pending: waiting-for-worker'],
    ['has an unhealthy worker after the window', at(11, worker([], 'UNHEALTHY')), 'degraded: unhealthy'],
    ['has no capacity', at(1, worker([], 'THROTTLED')), 'pending: waiting-for-worker'],
    ['has no capacity after the window', at(11, worker([], 'THROTTLED')), 'degraded: throttled'],
    [
      'has capacity for some',
      at(11, worker([], 'THROTTLED'), worker([], 'IDLE', storedAt - minuteMs)),
      'tested: token-pulled',
    ],
    [
      'has a canary under way',
      view({ canary: { state: 'running', clause: 'job j is IN_QUEUE' } }),
      'pending: waiting-for-worker',
    ],
    [
      'has a canary that completed',
      view({ canary: { state: 'completed', clause: 'job j is COMPLETED' } }),
      'tested: canary-completed',
    ],
    [
      'has a canary that failed',
      view({ canary: { state: 'failed', clause: 'job j is FAILED' } }),
      'degraded: canary-failed',
    ],
    [
      'has a canary that failed because its worker could not pull',
      view({
        canary: { state: 'failed', clause: 'x' },
        workers: [worker([[10.9, refused]])],
        now: storedAt + 11 * minuteMs,
      }),
      'failed: login-refused',
    ],
    [
      'starts workers over and over, while one may still start in time',
      at(17.74, worker([], 'INITIALIZING', storedAt + 17 * minuteMs)),
      'pending: waiting-for-worker',
    ],
    [
      'starts workers over and over',
      at(17.75, worker([], 'INITIALIZING', storedAt + 17 * minuteMs)),
      'degraded: stuck',
    ],
  ])('that %s', (_what, each, expected) => {
    const { proof, reason, evidence } = judgeEndpoint(each);
    expect(`${proof}: ${reason}`).toBe(expected);
    expect(evidence).toMatch(/^[A-Z].*\.$/s);
  });

  it('waits for an endpoint as long as for any, counted from its own first look', () => {
    const starting = (now: number) =>
      view({
        workers: [worker([], 'INITIALIZING', storedAt + now * minuteMs)],
        firstLookAt: storedAt + 18 * minuteMs,
        now: storedAt + now * minuteMs,
      });
    expect(judgeEndpoint(starting(20))).toMatchObject({ proof: 'pending' });
    expect(judgeEndpoint(starting(35.7))).toMatchObject({ proof: 'pending' });
    expect(judgeEndpoint(starting(35.75))).toMatchObject({ proof: 'degraded', reason: 'stuck' });
    const unknown = view({ workers: [worker([], 'INITIALIZING', null)], firstLookAt: storedAt + 18 * minuteMs });
    expect(judgeEndpoint({ ...unknown, now: storedAt + 24.9 * minuteMs })).toMatchObject({ proof: 'pending' });
  });

  it('holds the worker, its line and when it was written', () => {
    expect(judgeEndpoint(at(1, worker([[0.5, pulled]])))).toMatchObject({
      worker: 'w-INITIALIZING',
      line: pulled,
      at: '2026-11-23T12:00:30.000Z',
      evidence: 'Worker w-INITIALIZING pulled the image at 12:00 UTC, after the update.',
    });
  });

  it('says which image the token pulled', () => {
    expect(judgeEndpoint(view()).evidence).toContain('sha256:abababababab from ECR');
    expect(judgeEndpoint(view({ image: undefined })).evidence).toContain('image from ECR');
  });
});

describe('the next check', () => {
  it.each([
    [0, 0.25],
    [1, 2],
    [2, 4],
    [5, 7],
    [10, 10.75],
    [20, 22],
  ])('%s min after the update is at %s min', (now, next) => {
    const propagationMs = 10 * minuteMs;
    expect(nextCheck({ storedAt, firstLookAt: storedAt, now: storedAt + now * minuteMs, propagationMs })).toBe(
      storedAt + next * minuteMs,
    );
  });

  it('counts from an endpoint’s own first look', () => {
    const [firstLookAt, propagationMs] = [storedAt + 20 * minuteMs, 10 * minuteMs];
    expect(nextCheck({ storedAt, firstLookAt, now: firstLookAt, propagationMs })).toBe(firstLookAt + 15_000);
  });
});
