import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseImageReference } from '../../../../functions/lib/ecr/image-reference.ts';
import { createRegistryClient } from '../../../../functions/lib/ecr/pull.ts';
import { PullError } from '../../../../functions/lib/ecr/registry.ts';
import { readSettings } from '../../../../functions/lib/env.ts';
import { type Send, send } from '../../../../functions/lib/http.ts';
import { WorldClock } from '../../../../simulator/clock.ts';
import { Faults, type Loopback, type LoopbackRequest, type Reply, serve } from '../../../../simulator/loopback.ts';

const maxLayersAtOnce = 16;

const host = '123456789012.dkr.ecr.us-east-1.amazonaws.com';
const token = { username: 'AWS', password: 'a-password-that-nobody-may-repeat' };

let front: Loopback;
let store: Loopback;
let contents: Map<string, string>;
let seen: Array<{ url: string; authorization: string | undefined; range: string | undefined }>;
let override: (request: LoopbackRequest) => Reply | undefined;

const put = (content: string | object): { digest: string; size: number } => {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  contents.set(digest, text);
  return { digest, size: text.length };
};

beforeAll(async () => {
  const note = ({ url, headers }: LoopbackRequest) =>
    seen.push({ url: url.pathname, authorization: headers.authorization, range: headers.range });
  store = await serve(new WorldClock(), new Faults(), (request) => {
    note(request);
    const blob = contents.get(request.url.pathname.slice(1)) ?? '';
    if (request.headers.range === undefined) return { status: 200, body: blob };
    return { status: 206, body: blob.slice(0, 1) };
  });
  front = await serve(new WorldClock(), new Faults(), (request) => {
    note(request);
    const overridden = override(request);
    if (overridden !== undefined) return overridden;
    const reference = decodeURIComponent(request.url.pathname.split('/').at(-1) ?? '');
    const digest = contents.has(reference) ? reference : contents.get(`tag ${reference}`);
    const body = contents.get(digest ?? '');
    if (body === undefined)
      return { status: 404, body: '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"Requested image not found"}]}' };
    if (request.url.pathname.includes('/blobs/'))
      return { status: 307, headers: { location: `${store.origin}/${digest}` } };
    return { status: 200, headers: { 'docker-content-digest': digest ?? '' }, body };
  });
});
afterAll(() => Promise.all([front.close(), store.close()]));

beforeEach(() => {
  contents = new Map();
  seen = [];
  override = () => undefined;
});

const pauses: number[] = [];
const pause = async (milliseconds: number): Promise<void> => void pauses.push(milliseconds);

const client = (environment: Record<string, string> = {}) =>
  createRegistryClient(
    readSettings({ REGISTRY_ENDPOINT_URL: front.origin, UPSTREAM_TIMEOUT_SECONDS: '10', ...environment }),
    send,
    pause,
  );

const tryImage = (text = `${host}/team/worker:v1`) => {
  const image = parseImageReference(text);
  if (image === undefined) throw new Error(`${text} is no reference`);
  return client().tryImage(image, token);
};

const problemOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return 'fine';
  } catch (error) {
    return error instanceof PullError ? `${error.problem}: ${error.message}` : `not a PullError: ${String(error)}`;
  }
};

const layer = (text: string, more: object = {}) => ({
  mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ...put(text),
  ...more,
});

const manifest = (layers: object[], platform: object = { os: 'linux', architecture: 'amd64' }) => ({
  schemaVersion: 2,
  config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...put(platform) },
  layers,
});

/** Tags a manifest or index `v1`. */
const tag = (document: object): string => {
  const { digest } = put(document);
  contents.set('tag v1', digest);
  return digest;
};

const amd64 = { platform: { os: 'linux', architecture: 'amd64' } };
const index = (...manifests: object[]) => ({
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.index.v1+json',
  manifests,
});

describe('trying an image', () => {
  it.each<readonly [string, () => object, number]>([
    ['of one OCI manifest', () => manifest([layer('a'), layer('b')]), 2],
    [
      'of a Docker manifest, schema 2',
      () => ({
        ...manifest([layer('a', { mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip' })]),
        mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      }),
      1,
    ],
    ['with zstd layers', () => manifest([layer('a', { mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd' })]), 1],
    [
      'with a hundred layers',
      () => manifest(Array.from({ length: 100 }, (_, number) => layer(`layer ${number}`))),
      100,
    ],
    ['with the same layer twice', () => manifest([layer('a'), layer('a')]), 2],
    [
      'with a foreign layer, which its registry need not hold',
      () =>
        manifest([layer('a'), { digest: `sha256:${'9'.repeat(64)}`, size: 5, urls: ['https://elsewhere.example/'] }]),
      2,
    ],
    ['with a layer of no bytes', () => manifest([layer('')]), 1],
    ['of an index whose entries do not say what they are for', () => index(put(manifest([layer('a')]))), 1],
    [
      'of an index that says linux/amd64 where the config says arm64 (moby/moby#41873)',
      () => index({ ...put(manifest([layer('a')], { os: 'linux', architecture: 'arm64' })), ...amd64 }),
      1,
    ],
    [
      'of an index with an odd entry beside it (helm/helm#31775)',
      () =>
        index(
          { artifactType: 'application/vnd.cncf.helm.config.v1+json' },
          { ...put(manifest([layer('a')])), ...amd64 },
        ),
      1,
    ],
    [
      'with a config of three megabytes (buildpacks-community/kpack#893)',
      () => manifest([layer('a')], { os: 'linux', architecture: 'amd64', history: 'x'.repeat(3_200_000) }),
      1,
    ],
    [
      'whose config names no platform (bazel-contrib/rules_oci#117)',
      () => manifest([layer('a')], { os: '', architecture: '' }),
      1,
    ],
    ['whose config does not say what it is for', () => manifest([layer('a')], {}), 1],
    [
      'of an index with an attestation first',
      () =>
        index(
          { ...put(manifest([layer('statement')], {})), platform: { os: 'unknown', architecture: 'unknown' } },
          { ...put(manifest([layer('a')])), ...amd64 },
        ),
      1,
    ],
    [
      'of an index in an index',
      () =>
        index({
          ...put(index({ ...put(manifest([layer('a')])), ...amd64 })),
          mediaType: 'application/vnd.docker.distribution.manifest.list.v2+json',
        }),
      1,
    ],
  ])('%s asks for all of it', async (_what, build, layers) => {
    const digest = tag(build());
    expect(await tryImage()).toMatchObject({ digest, layers });
  });

  it('by each form of reference asks for what Docker would ask for', async () => {
    const digest = tag(manifest([layer('a')]));
    contents.set('tag latest', digest);
    for (const reference of [':v1', '', `@${digest}`, `:gone@${digest}`]) {
      expect(await tryImage(`${host}/a/b/c/worker${reference}`)).toMatchObject({ digest });
    }
  });

  it('counts the compressed bytes once for each layer', async () => {
    tag(manifest([layer('12345'), layer('12345'), layer('678')]));
    const config = JSON.stringify({ os: 'linux', architecture: 'amd64' }).length;
    expect(await tryImage()).toMatchObject({ sizeInBytes: config + 5 + 3, layers: 3 });
  });

  it('shows the token to the registry alone, and reads one byte of each layer', async () => {
    tag(manifest([layer('a'), layer('b')]));
    await tryImage();
    const stored = seen.filter(({ url }) => url.startsWith('/sha256'));
    expect(stored).toHaveLength(3);
    expect(stored.every(({ authorization }) => authorization === undefined)).toBe(true);
    expect(stored.map(({ range }) => range).sort()).toEqual(['bytes=0-0', 'bytes=0-0', undefined]);
    expect(
      seen.filter(({ url }) => url.includes('/v2/')).every(({ authorization }) => authorization?.startsWith('Basic ')),
    ).toBe(true);
  });

  it('takes a store that ignores the range at its first bytes', async () => {
    const big = layer('x'.repeat(200_000));
    tag(manifest([big]));
    override = ({ url }) =>
      url.pathname.endsWith(big.digest) ? { status: 200, body: contents.get(big.digest) ?? '' } : undefined;
    expect(await tryImage()).toMatchObject({ layers: 1 });
  });

  const refusal = (status: number, code: string, message: string) => () => ({
    status,
    body: JSON.stringify({ errors: [{ code, message }] }),
  });

  it.each<readonly [string, () => Reply, string]>([
    ['the token is refused', () => ({ status: 401, body: 'no basic auth credentials' }), 'token-refused'],
    [
      'the token has expired',
      refusal(403, 'DENIED', 'Your authorization token has expired. Reauthenticate and try again.'),
      'token-expired',
    ],
    [
      'the repository is forbidden',
      refusal(403, 'DENIED', 'User: x is not authorized to perform: ecr:BatchGetImage'),
      'repository-forbidden',
    ],
    ['the repository is missing', refusal(404, 'NAME_UNKNOWN', 'The repository does not exist'), 'image-missing'],
    ['the image is archived', refusal(404, 'MANIFEST_UNKNOWN', 'Requested image is archived'), 'archived'],
    ['ECR throttles', refusal(429, 'TOOMANYREQUESTS', 'Rate exceeded'), 'throttled'],
    ['ECR throttles by another status', refusal(400, 'TOOMANYREQUESTS', 'Rate exceeded'), 'throttled'],
    ['ECR gives up', () => ({ status: 408, body: '' }), 'unreachable'],
    ['ECR breaks', () => ({ status: 502, body: '<html>' }), 'unreachable'],
    ['ECR finds fault with the request', () => ({ status: 400, body: '{"errors":[]}' }), 'malformed'],
    ['the error names nothing', () => ({ status: 404, body: '{"errors":[{}]}' }), 'image-missing'],
    ['the manifest is a text', () => ({ status: 200, body: '"text"' }), 'malformed'],
    ['the manifest has no layers', () => ({ status: 200, body: '{"config":{}}' }), 'malformed'],
    [
      'the manifest is not the one that was promised',
      () => ({ status: 200, headers: { 'docker-content-digest': `sha256:${'0'.repeat(64)}` }, body: '{}' }),
      'unreachable',
    ],
  ])('says so when %s', async (_what, reply, problem) => {
    override = reply;
    expect(await problemOf(tryImage())).toMatch(new RegExp(`^${problem}: `));
  });

  it('never repeats the password that a refusal repeats', async () => {
    override = () => ({ status: 403, body: `denied for ${token.password}` });
    expect(await problemOf(tryImage())).toContain('[withheld: it repeats a secret]');
  });

  it.each<readonly [string, () => object, string]>([
    [
      'an index without linux/amd64',
      () => index({ ...put({}), platform: { os: 'linux', architecture: 'arm64' } }),
      'no-linux-amd64: team/worker:v1 cannot run: it has no linux/amd64, only linux/arm64',
    ],
    [
      'a config that is no object',
      () => ({ ...manifest([layer('a')]), config: put('"text"') }),
      'no-image: team/worker:v1 cannot run: it is an artifact and no container image',
    ],
    [
      'an ORAS artifact with an empty config',
      () => ({ ...manifest([layer('a')]), config: { ...put('{}'), mediaType: 'application/vnd.oci.empty.v1+json' } }),
      'no-image: team/worker:v1 cannot run: it is an ORAS artifact (application/vnd.oci.empty.v1+json)',
    ],
    [
      'an index whose image a lifecycle rule has deleted (geti#7256)',
      () => index({ digest: `sha256:${'3'.repeat(64)}`, size: 7, ...amd64 }),
      'image-missing: 123456789012.dkr.ecr.us-east-1.amazonaws.com, asked for sha256:333333333333 of team/worker:v1, answered 404',
    ],
    [
      'an index with nothing to run',
      () => index(),
      'no-linux-amd64: team/worker:v1 cannot run: it has no linux/amd64: its index is empty',
    ],
    [
      'an image for another processor',
      () => manifest([layer('a')], { os: 'linux', architecture: 'arm64' }),
      'no-linux-amd64: team/worker:v1 cannot run: it is for linux/arm64',
    ],
    [
      'an image for Windows',
      () => manifest([layer('a')], { os: 'windows', architecture: 'amd64' }),
      'no-linux-amd64: team/worker:v1 cannot run: it is for windows/amd64',
    ],
    [
      'a manifest of too many layers',
      () => manifest(Array.from({ length: 1001 }, () => ({ digest: `sha256:${'1'.repeat(64)}`, size: 1 }))),
      'malformed: ',
    ],
    ['a layer without its bytes', () => manifest([{ ...layer(''), size: 5 }]), 'malformed: '],
    ['a layer that is not there', () => manifest([{ digest: `sha256:${'2'.repeat(64)}`, size: 1 }]), 'image-missing: '],
    [
      'indexes without end',
      () => {
        const nested = (depth: number): object =>
          depth === 0
            ? index()
            : index({ ...put(nested(depth - 1)), mediaType: 'application/vnd.oci.image.index.v1+json' });
        return nested(8);
      },
      'malformed: team/worker:v1 cannot run: its indexes nest more than 5 deep',
    ],
  ])('refuses %s', async (_what, build, expected) => {
    tag(build());
    expect(await problemOf(tryImage())).toContain(expected);
  });

  it('refuses a config blob of another digest', async () => {
    tag(manifest([layer('a')]));
    const config = put({ os: 'linux', architecture: 'amd64' });
    contents.set(config.digest, '{"os":"linux"}');
    expect(await problemOf(tryImage())).toMatch(/^unreachable: .*config blob of another digest/);
  });

  it.each([
    [{ status: 307, headers: {} }, 'redirected to nowhere'],
    [{ status: 307, headers: { location: 'http://[' } }, 'redirected to nowhere'],
    [{ status: 302, headers: { location: '/again/blobs/x' } }, 'answered 302'],
  ])('refuses a blob that redirects as %j', async (reply, expected) => {
    tag(manifest([layer('a')]));
    override = ({ url }) => (url.pathname.includes('/blobs/') ? reply : undefined);
    expect(await problemOf(tryImage())).toContain(expected);
  });

  it('sends the token nowhere but to ECR, and over https', async () => {
    const asked: string[] = [];
    const begin = (status: number, headers: Record<string, string>, body: string) => ({
      status,
      headers: new Map(Object.entries(headers)),
      body: (async function* () {
        yield Buffer.from(body);
      })(),
    });
    const spy: Send = async (url) => {
      asked.push(url.href);
      return url.pathname.includes('/blobs/')
        ? begin(307, { location: 'http://bucket.example/x' }, '')
        : begin(200, {}, JSON.stringify(manifest([layer('a')])));
    };
    const real = createRegistryClient(readSettings({}), spy);
    const elsewhere = parseImageReference('evil.example/team/worker:v1');
    const here = parseImageReference(`${host}/team/worker:v1`);
    if (elsewhere === undefined || here === undefined) throw new Error('no references');
    expect(await problemOf(real.tryImage(elsewhere, token))).toContain(
      'is not an Amazon ECR registry, so it gets no token',
    );
    expect(await problemOf(real.tryToken('evil.example', token))).toContain('malformed');
    expect(asked).toEqual([]);
    expect(await problemOf(real.tryImage(here, token))).toContain(
      'redirected to http://bucket.example, which is not https',
    );
    expect(asked.every((url) => url.startsWith(`https://${host}/v2/`))).toBe(true);
  });

  it('takes what is not even UTF-8 for no manifest', async () => {
    override = ({ url }) =>
      url.pathname.includes('/manifests/') ? { status: 200, body: Uint8Array.of(0x22, 0xff, 0x22) } : undefined;
    expect(await problemOf(tryImage())).toMatch(/^unreachable: .*not JSON/);
  });

  it('takes a layer for there only where the store says so, however much it says', async () => {
    tag(manifest([layer('a')]));
    override = ({ url, headers }) =>
      url.pathname.includes('/blobs/') && headers.range !== undefined
        ? { status: 503, body: 'x'.repeat(100_000) }
        : undefined;
    expect(await problemOf(tryImage())).toMatch(/^unreachable: .*503/);
  });

  it('asks for no other layer once one was refused', async () => {
    const layers = Array.from({ length: 60 }, (_, number) => layer(`layer ${number}`));
    tag(manifest(layers));
    override = ({ headers }) =>
      headers.range === undefined ? undefined : { status: 429, body: '{"errors":[{"code":"TOOMANYREQUESTS"}]}' };
    expect(await problemOf(tryImage())).toMatch(/^throttled: /);
    expect(seen.filter(({ range }) => range !== undefined).length).toBeLessThanOrEqual(maxLayersAtOnce);
  });

  it('ends the layers under way when one was refused', async () => {
    const [refused, slow] = [layer('refused'), layer('slow')];
    tag(manifest([refused, slow]));
    override = ({ url }) => (url.pathname.endsWith(refused.digest) ? { status: 429, body: '' } : undefined);
    const ended: string[] = [];
    const slowly: Send = (url, request) => {
      if (!url.pathname.endsWith(slow.digest)) return send(url, request);
      return new Promise((_resolve, reject) =>
        request.signal?.addEventListener('abort', () => {
          ended.push(url.pathname);
          reject(Object.assign(new Error('aborted'), { code: 'ABORT_ERR' }));
        }),
      );
    };
    const settings = readSettings({ REGISTRY_ENDPOINT_URL: front.origin, UPSTREAM_TIMEOUT_SECONDS: '60' });
    const image = { registry: host, repository: 'team/worker', tag: 'v1' };
    expect(await problemOf(createRegistryClient(settings, slowly).tryImage(image, token))).toMatch(/^throttled: /);
    expect(ended).toHaveLength(1);
  });

  it('asks for so many layers at once, and no more', async () => {
    tag(manifest(Array.from({ length: 40 }, (_, number) => layer(`layer ${number}`))));
    let [running, max] = [0, 0];
    const counted: Send = async (url, request) => {
      running += 1;
      max = Math.max(max, running);
      // All that may be asked for at once are, before the first answer is looked at.
      await new Promise((resolve) => setTimeout(resolve, 20));
      running -= 1;
      return send(url, request);
    };
    const settings = readSettings({ REGISTRY_ENDPOINT_URL: front.origin });
    await createRegistryClient(settings, counted).tryImage({ registry: host, repository: 'a', tag: 'v1' }, token);
    expect(max).toBe(maxLayersAtOnce);
  });

  it('takes a store that ignores the range for there, whatever its bytes look like', async () => {
    const brackets = layer('['.repeat(60_000));
    tag(manifest([brackets]));
    override = ({ url }) =>
      url.pathname.endsWith(brackets.digest) ? { status: 200, body: contents.get(brackets.digest) ?? '' } : undefined;
    expect(await tryImage()).toMatchObject({ layers: 1 });
  });

  it.each([
    [3, 'fine'],
    [4, 'answered 307'],
  ])('follows a blob through redirects, up to three: %d', async (hops, expected) => {
    tag(manifest([layer('a')]));
    override = ({ url }) => {
      const hop = Number(url.searchParams.get('hop') ?? 0);
      const path = url.pathname.split('/').slice(-2).join('/');
      if (!url.pathname.includes('/blobs/') || hop + 1 >= hops) return undefined;
      return { status: 307, headers: { location: `/${host}/v2/team/worker/${path}?hop=${hop + 1}` } };
    };
    expect(await problemOf(tryImage())).toContain(expected);
  });

  const error = (code: string, message = '') => `<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  it.each<readonly [number, string, string]>([
    [403, '', 'unreachable: 127.0.0.1:… answered 403'],
    [
      403,
      error('AccessDenied', 'The ciphertext refers to a customer master key that does not exist'),
      'key-lost: 127.0.0.1:… answered 403 "AccessDenied The ciphertext refers to a customer master key that does not exist"',
    ],
    [400, error('RequestTimeout'), 'unreachable: 127.0.0.1:… answered 400 "RequestTimeout"'],
    [404, error('NoSuchKey'), 'image-missing: 127.0.0.1:… answered 404 "NoSuchKey"'],
  ])('quotes a blob store that answers %i %s', async (status, body, expected) => {
    tag(manifest([layer('a')]));
    override = ({ url }) => {
      if (!url.pathname.includes('/blobs/')) return undefined;
      return url.searchParams.has('stored')
        ? { status, body }
        : { status: 307, headers: { location: `${url.pathname}?stored` } };
    };
    const where = new RegExp(`:\\d+, where ${host} keeps the blobs of team/worker,`);
    expect((await problemOf(tryImage())).replace(where, ':…')).toBe(expected);
  });

  it.each([
    401, 404,
  ])('asks again, once and after a pause, where one of its requests is answered %i', async (status) => {
    const odd = layer('odd');
    tag(manifest([layer('a'), odd]));
    let refusals = 1;
    override = ({ url }) => {
      if (!url.pathname.endsWith(odd.digest) || refusals === 0) return undefined;
      refusals -= 1;
      return { status, body: 'Not Authorized' };
    };
    pauses.length = 0;
    expect(await tryImage()).toMatchObject({ layers: 2 });
    expect(pauses).toEqual([1000]);
    refusals = 2;
    expect(await problemOf(tryImage())).toContain(`answered ${status} "Not Authorized"`);
  });

  it.each(['manifests', 'blobs'])('passes on a mistake of ours while asking for %s', async (what) => {
    tag(manifest([layer('a')]));
    const broken: Send = (url, request) =>
      url.pathname.includes(`/${what}/`) && (what === 'manifests' || request.headers.range !== undefined)
        ? Promise.reject(new RangeError('ours'))
        : send(url, request);
    const settings = readSettings({ REGISTRY_ENDPOINT_URL: front.origin });
    const image = { registry: host, repository: 'team/worker', tag: 'v1' };
    expect(await problemOf(createRegistryClient(settings, broken).tryImage(image, token))).toContain('RangeError');
  });

  it('passes on what is no fault of the registry', async () => {
    const broken = createRegistryClient(readSettings({}), send);
    const reference = { registry: host, repository: 'team/worker', tag: 'v1' };
    const clumsy = {
      username: 'AWS',
      get password(): string {
        throw new RangeError('ours');
      },
    };
    expect(await problemOf(broken.tryImage(reference, clumsy))).toContain('RangeError');
  });

  it.each<readonly [string, () => string]>([
    ['of nested lists, as many as it may have', () => '['.repeat(512 * 1024) + ']'.repeat(512 * 1024)],
    ['of empty objects, as many as it may have', () => `[${'{},'.repeat(340_000)}{}]`],
    ['of nested lists that fits', () => '['.repeat(100_000) + ']'.repeat(100_000)],
    [
      'of 100,000 layers',
      () =>
        JSON.stringify(
          manifest(Array.from({ length: 100_000 }, () => ({ digest: `sha256:${'1'.repeat(64)}`, size: 1 }))),
        ),
    ],
    [
      'of 20,000 keys',
      () => JSON.stringify(Object.fromEntries(Array.from({ length: 20_000 }, (_, key) => [`key ${key}`, key]))),
    ],
    ['that is larger than any', () => 'x'.repeat(64 * 1024 * 1024)],
  ])('holds at most 64 MiB for a manifest %s', { timeout: 30_000 }, async (_what, build) => {
    const body = build();
    override = ({ url }) => (url.pathname.includes('/manifests/') ? { status: 200, body } : undefined);
    const held = (): number => {
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const before = held();
    let most = before;
    const timer = setInterval(() => {
      most = Math.max(most, held());
    }, 1);
    expect(await problemOf(tryImage())).toMatch(/^(?:malformed|unreachable): /);
    clearInterval(timer);
    // The server of this very process holds the body, too.
    expect(Math.max(most, held()) - before - body.length).toBeLessThan(64 * 1024 * 1024);
  });

  it('ends in an answer or a PullError, whatever the manifest', { timeout: 60_000 }, async () => {
    const field = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.constant(null),
      fc.constant(`sha256:${'a'.repeat(64)}`),
      fc.array(fc.anything(), { maxLength: 3 }),
    );
    const shaped = fc.record(
      {
        config: fc.oneof(field, fc.record({ digest: field, size: field })),
        layers: fc.array(fc.record({ digest: field, size: field, urls: field }, { requiredKeys: [] }), {
          maxLength: 4,
        }),
        manifests: fc.array(fc.record({ digest: field, size: field, platform: field }, { requiredKeys: [] }), {
          maxLength: 4,
        }),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.json(),
          shaped.map((value) => JSON.stringify(value)),
        ),
        async (body) => {
          override = ({ url }) => (url.pathname.includes('/manifests/') ? { status: 200, body } : undefined);
          expect(await problemOf(tryImage())).not.toContain('not a PullError');
        },
      ),
      { numRuns: 200 },
    );
  });
});
