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

const denied = (message: string): Reply => json(403, { errors: [{ code: 'DENIED', message }] });

const unauthorized = (): Reply => ({
  status: 401,
  headers: {
    'content-type': 'text/plain',
    'www-authenticate': 'Basic realm="https://ecr.example/",service="ecr.amazonaws.com"',
  },
  body: 'no basic auth credentials',
});

const notFound = (code: string, message: string): Reply => json(404, { errors: [{ code, message }] });

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
  mayPull: (token: IssuedToken, kind: string, account: string, repository: string) => string | undefined = () =>
    undefined;
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
  }

  /** Pushes an image: `host/repository`, and the tag that names it from now on. */
  push(repository: string, tag: string, image: Image): void {
    const held = this.#repositories.get(repository) ?? {
      tags: new Map(),
      manifests: new Map(),
      blobs: new Map(),
      pushedAt: new Map(),
    };
    this.#repositories.set(repository, held);
    for (const manifest of image.manifests) held.manifests.set(manifest.digest, manifest);
    for (const blob of image.blobs) {
      held.blobs.set(blob.digest, blob);
      this.#blobs.set(blob.digest, blob);
    }
    held.tags.set(tag, image.top.digest);
    held.pushedAt.set(image.top.digest, this.#clock.now());
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

  #answer({ method, url, headers }: LoopbackRequest): Reply {
    const [, host = '', path = ''] = /^\/([^/]+)\/v2\/(.*)$/.exec(url.pathname) ?? [];
    const token = this.#ecr.find(readBasic(headers.authorization) ?? '');
    const refusal = this.#refuse(token, host);
    if (refusal !== undefined || token === undefined) return refusal ?? unauthorized();
    this.letIn.add(token.password);
    if (path === '') return json(200, {});
    const [, repository = '', kind, reference = ''] = /^(.+)\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
    if (kind === undefined) return notFound('UNSUPPORTED', 'Invalid path');
    const unauthorizedTo = this.mayPull(token, kind, host.slice(0, 12), repository);
    if (unauthorizedTo !== undefined) return denied(unauthorizedTo);
    const held = this.#repositories.get(`${host}/${repository}`);
    if (held === undefined) {
      return notFound(
        'NAME_UNKNOWN',
        `The repository with name '${repository}' does not exist in the registry with id '${host.slice(0, 12)}'`,
      );
    }
    if (this.archived.has(`${host}/${repository}`)) {
      return notFound('MANIFEST_UNKNOWN', 'Requested image is archived. Restore it before pulling.');
    }
    return kind === 'manifests'
      ? sendManifest(held, decodeURIComponent(reference), method)
      : this.#sendBlob(held, reference);
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
