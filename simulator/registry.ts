import { createHash, randomUUID } from 'node:crypto';
import type { Ecr, IssuedToken } from './aws/ecr.ts';
import type { WorldClock } from './clock.ts';
import type { Content, Image } from './images.ts';
import { type Faults, json, type Loopback, type LoopbackRequest, type Reply, serve } from './loopback.ts';

interface Repository {
  /** When each manifest that was ever tagged was pushed. Epoch milliseconds. */
  readonly pushedAt: Map<string, number>;
  readonly tags: Map<string, string>;
  readonly manifests: Map<string, Content>;
  readonly blobs: Map<string, Content>;
}

/** What a request does with a repository, by which IAM decides whether its token may. */
type RegistryUse = 'get-manifest' | 'get-layer' | 'check-layer' | 'begin-layer' | 'end-layer' | 'put-manifest';

/** By method and what the path names. */
const uses: Readonly<Record<string, RegistryUse>> = {
  'GET manifests': 'get-manifest',
  'HEAD manifests': 'get-manifest',
  'PUT manifests': 'put-manifest',
  'GET blobs': 'get-layer',
  'HEAD blobs': 'check-layer',
  'POST blobs/uploads': 'begin-layer',
  'PUT blobs/uploads': 'end-layer',
};

const denied = (message: string): Reply => json(403, { errors: [{ code: 'DENIED', message }] });

const unauthorized = (): Reply => ({
  status: 401,
  headers: {
    'content-type': 'text/plain',
    'www-authenticate': 'Basic realm="https://ecr.example/",service="ecr.amazonaws.com"',
  },
  body: 'no basic auth credentials',
});

const refused = (status: number, code: string, message: string): Reply => json(status, { errors: [{ code, message }] });
const notFound = (code: string, message: string): Reply => refused(404, code, message);

interface Named {
  readonly digest: string;
}

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

const readBasic = (authorization: string | undefined): string | undefined => {
  const encoded = /^Basic (.+)$/.exec(authorization ?? '')?.[1];
  const [, user, password] = /^([^:]+):(.*)$/s.exec(Buffer.from(encoded ?? '', 'base64').toString('utf8')) ?? [];
  return user === 'AWS' ? password : undefined;
};

/** ECR's registries, each at `/<registry host>/v2/…`, and the blob store they redirect to, on an origin of its own. */
export class Registry {
  readonly #ecr: Ecr;
  readonly #clock: WorldClock;
  readonly #repositories = new Map<string, Repository>();
  readonly #blobs = new Map<string, Content>();
  /** Passwords that it has let in. */
  readonly letIn = new Set<string>();
  /** Repositories whose images have been archived. */
  readonly archived = new Set<string>();
  /** Set by the world, which knows what a token's minter may do: IAM's sentence where it may not. */
  refusalOf: (token: IssuedToken, use: RegistryUse, account: string, repository: string) => string | undefined = () =>
    undefined;
  /** Uploads that have begun, and the repository of each. */
  readonly #uploads = new Map<string, string>();
  #store: Loopback | undefined;

  constructor(clock: WorldClock, ecr: Ecr) {
    this.#clock = clock;
    this.#ecr = ecr;
    ecr.listRepositories = (registryId, region) => {
      const prefix = `${registryId}.dkr.ecr.${region}.amazonaws.com/`;
      return [...this.#repositories.keys()]
        .filter((name) => name.startsWith(prefix))
        .map((name) => name.slice(prefix.length));
    };
    ecr.describeImages = (registryId, region, name) => {
      const held = this.#repositories.get(`${registryId}.dkr.ecr.${region}.amazonaws.com/${name}`);
      if (held === undefined) return undefined;
      return [...held.pushedAt].map(([imageDigest, at]) => ({
        imageDigest,
        imagePushedAt: at / 1000,
        imageTags: [...held.tags].filter(([, digest]) => digest === imageDigest).map(([tag]) => tag),
        registryId,
        repositoryName: name,
      }));
    };
    ecr.deleteImage = (registryId, region, name, digest) =>
      this.deleteImage(`${registryId}.dkr.ecr.${region}.amazonaws.com/${name}`, digest);
    ecr.deleteRepository = (registryId, region, name) =>
      void this.#repositories.delete(`${registryId}.dkr.ecr.${region}.amazonaws.com/${name}`);
  }

  /** Pushes an image: `host/repository`, and the tag that names it from now on. */
  push(repository: string, tag: string, image: Image): void {
    const held = this.#hold(repository);
    for (const manifest of image.manifests) held.manifests.set(manifest.digest, manifest);
    for (const blob of image.blobs) {
      held.blobs.set(blob.digest, blob);
      this.#blobs.set(blob.digest, blob);
    }
    held.tags.set(tag, image.top.digest);
    held.pushedAt.set(image.top.digest, this.#clock.now());
  }

  #hold(repository: string): Repository {
    const held = this.#repositories.get(repository) ?? {
      tags: new Map(),
      manifests: new Map(),
      blobs: new Map(),
      pushedAt: new Map(),
    };
    this.#repositories.set(repository, held);
    return held;
  }

  deleteTag(repository: string, tag: string): void {
    this.#repositories.get(repository)?.tags.delete(tag);
  }

  /** The digest that a reference with a tag stands for. */
  digestOf(image: string): string | undefined {
    const [, repository = '', tag = ''] = /^(.*):([^:/]+)$/.exec(image) ?? [];
    return this.#repositories.get(repository)?.tags.get(tag);
  }

  /** Deletes an image by its digest, with its tags, as a lifecycle rule or a person does. */
  deleteImage(repository: string, digest: string): void {
    const held = this.#repositories.get(repository);
    held?.manifests.delete(digest);
    held?.pushedAt.delete(digest);
    for (const [tag, of] of held?.tags ?? []) if (of === digest) held?.tags.delete(tag);
  }

  async start(faults: Faults): Promise<Loopback> {
    const store = await serve(this.#clock, faults, (request) => this.#answerStore(request));
    this.#store = store;
    const front = await serve(this.#clock, faults, (request) => this.#answer(request));
    return { origin: front.origin, close: async () => void (await Promise.all([front.close(), store.close()])) };
  }

  #answer(request: LoopbackRequest): Reply {
    const { method, url, headers } = request;
    const [, host = '', path = ''] = /^\/([^/]+)\/v2\/(.*)$/.exec(url.pathname) ?? [];
    const token = this.#ecr.find(readBasic(headers.authorization) ?? '');
    const refusal = this.#refuse(token, host);
    if (refusal !== undefined || token === undefined) return refusal ?? unauthorized();
    this.letIn.add(token.password);
    if (path === '') return json(200, {});
    const [, repository = '', kind = '', reference = ''] =
      /^(.+)\/(manifests|blobs\/uploads|blobs)\/([^/]*)$/.exec(path) ?? [];
    const use = uses[`${method} ${kind}`];
    if (use === undefined) return notFound('UNSUPPORTED', 'Invalid path');
    const account = host.slice(0, 12);
    const unauthorizedTo = this.refusalOf(token, use, account, repository);
    if (unauthorizedTo !== undefined) return denied(unauthorizedTo);
    const name = `${host}/${repository}`;
    const created = this.#ecr.createdRepositories.get(`${account}/${token.region}/${repository}`);
    const held = created === undefined ? this.#repositories.get(name) : this.#hold(name);
    if (held === undefined) {
      return notFound(
        'NAME_UNKNOWN',
        `The repository with name '${repository}' does not exist in the registry with id '${account}'`,
      );
    }
    if (this.archived.has(name)) {
      return notFound('MANIFEST_UNKNOWN', 'Requested image is archived. Restore it before pulling.');
    }
    switch (use) {
      case 'get-manifest':
        return sendManifest(held, decodeURIComponent(reference), method);
      case 'put-manifest': {
        const isTaken = held.tags.has(reference) && created?.isImmutable === true;
        if (!isTaken) return this.#takeManifest(held, reference, request);
        const why = 'cannot be overwritten because the repository is immutable.';
        return refused(
          400,
          'TAG_INVALID',
          `The image tag '${reference}' already exists in the '${repository}' repository and ${why}`,
        );
      }
      case 'get-layer':
        return this.#sendBlob(held, reference);
      case 'check-layer':
        return held.blobs.has(reference) ? { status: 200 } : { status: 404 };
      case 'begin-layer': {
        const upload = randomUUID();
        this.#uploads.set(upload, name);
        const location = `http://${headers.host}${url.pathname}${upload}`;
        return { status: 202, headers: { location, 'docker-upload-uuid': upload, range: '0-0' } };
      }
      case 'end-layer':
        return this.#takeBlob(held, name, reference, request);
    }
  }

  /**
   * Takes a layer or config whole, in the one PUT that ends an upload: what containerd and BuildKit push with
   * (containerd core/remotes/docker/pusher.go). Refusals: the codes are the distribution specification's, the words those of
   * https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CompleteLayerUpload.html
   */
  #takeBlob(held: Repository, name: string, upload: string, { url, bytes }: LoopbackRequest): Reply {
    if (this.#uploads.get(upload) !== name) return notFound('BLOB_UPLOAD_UNKNOWN', 'The upload could not be found.');
    const digest = url.searchParams.get('digest') ?? '';
    if (bytes.byteLength === 0) {
      return refused(400, 'BLOB_UPLOAD_INVALID', 'The specified layer upload does not contain any layer parts.');
    }
    if (digestOf(bytes) !== digest) {
      return refused(
        400,
        'DIGEST_INVALID',
        'The layer digest calculation performed by Amazon ECR upon receipt of the image layer does not match the digest specified.',
      );
    }
    // What CompleteLayerUpload says; whether the registry API passes it on is not documented, so clients ask first.
    if (held.blobs.has(digest)) {
      return refused(400, 'BLOB_UPLOAD_INVALID', 'The image layer already exists in the associated repository.');
    }
    this.#uploads.delete(upload);
    const blob = { digest, mediaType: 'application/octet-stream', bytes };
    held.blobs.set(digest, blob);
    this.#blobs.set(digest, blob);
    return { status: 201, headers: { 'docker-content-digest': digest } };
  }

  /** https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImage.html (LayersNotFoundException), by the specification's code. */
  #takeManifest(held: Repository, tag: string, { headers, bytes, body }: LoopbackRequest): Reply {
    const mediaType = headers['content-type'] ?? '';
    const manifest = JSON.parse(body) as { mediaType?: string; config: Named; layers: Named[] };
    if (manifest.mediaType !== mediaType) return refused(400, 'MANIFEST_INVALID', 'Its media type is another one.');
    const missing = [manifest.config, ...manifest.layers].find((each) => !held.blobs.has(each.digest));
    if (missing !== undefined) {
      return refused(
        404,
        'MANIFEST_BLOB_UNKNOWN',
        `The layer ${missing.digest} could not be found, or is not valid for this repository.`,
      );
    }
    const digest = digestOf(bytes);
    held.manifests.set(digest, { digest, mediaType, bytes });
    held.tags.set(tag, digest);
    held.pushedAt.set(digest, this.#clock.now());
    return { status: 201, headers: { 'docker-content-digest': digest } };
  }

  #refuse(token: IssuedToken | undefined, host: string): Reply | undefined {
    if (token === undefined) return unauthorized();
    if (!host.includes(`.${token.region}.`)) return unauthorized();
    if (token.expiresAt <= this.#clock.now()) {
      return denied('Your authorization token has expired. Reauthenticate and try again.');
    }
    return undefined;
  }

  #sendBlob(held: Repository, digest: string): Reply {
    if (!held.blobs.has(digest)) return notFound('BLOB_UNKNOWN', 'blob unknown to registry');
    return {
      status: 307,
      headers: { location: `${this.#store?.origin}/bucket/${digest}?X-Amz-Signature=embedded`, 'content-length': '0' },
    };
  }

  #answerStore({ url, headers }: LoopbackRequest): Reply {
    if (headers.authorization !== undefined) {
      return {
        status: 400,
        headers: { 'content-type': 'application/xml' },
        body: '<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>',
      };
    }
    const blob = this.#blobs.get(url.pathname.split('/').at(-1) ?? '');
    if (blob === undefined) return { status: 404, body: '<Error><Code>NoSuchKey</Code></Error>' };
    if (headers.range !== 'bytes=0-0') return { status: 200, body: blob.bytes };
    return {
      status: 206,
      headers: { 'content-range': `bytes 0-0/${blob.bytes.byteLength}` },
      body: blob.bytes.subarray(0, 1),
    };
  }
}

const sendManifest = (held: Repository, reference: string, method: string): Reply => {
  const manifest = held.manifests.get(held.tags.get(reference) ?? reference);
  if (manifest === undefined) return notFound('MANIFEST_UNKNOWN', 'Requested image not found');
  return {
    status: 200,
    // ECR names the digest in answers to HEAD, and may leave it out of answers to GET.
    headers: {
      'content-type': manifest.mediaType,
      ...(method === 'HEAD' ? { 'docker-content-digest': manifest.digest } : {}),
    },
    ...(method === 'HEAD' ? {} : { body: manifest.bytes }),
  };
};
