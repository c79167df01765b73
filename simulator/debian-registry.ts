import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { fileURLToPath } from 'node:url';
import type { Image } from './images.ts';

/** Debian packages that bring a real registry and a real client. */
const programs = ['docker-registry', 'skopeo', 'openssl'];

/** The programs that are not on this machine. */
export const missingPrograms = (): string[] =>
  programs.filter(
    (name) => !(process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, name))),
  );

/** What the front asks for. */
export const token = { username: 'AWS', password: 'the-password-of-the-front' };

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createTcpServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

/** What went over the wire, at the front and at the blob store together. */
interface Traffic {
  readonly requests: number;
  readonly bytes: number;
  readonly connections: number;
}

/** Debian's docker-registry behind a front as ECR's is. Answers to `/<any registry host>/v2/…` and to `/v2/…`. */
export class DebianRegistry {
  /** Holds the front's certificate as `ca.crt`, as skopeo wants it. */
  readonly folder: string = mkdtempSync(join(tmpdir(), 'registry-'));
  frontPort = 0;
  #registry: ChildProcess | undefined;
  #front: ChildProcess | undefined;
  #port = 0;

  /** The front's address. */
  get origin(): string {
    return `https://127.0.0.1:${this.frontPort}`;
  }

  async start(): Promise<void> {
    this.#port = await freePort();
    const config = join(this.folder, 'config.yml');
    writeFileSync(
      config,
      `version: 0.1\nlog: { level: error, accesslog: { disabled: true } }\nstorage: { filesystem: { rootdirectory: ${join(this.folder, 'data')} } }\nhttp: { addr: 127.0.0.1:${this.#port}, relativeurls: true }\n`,
    );
    this.#registry = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
    const [key, certificate] = [join(this.folder, 'front.pem'), join(this.folder, 'ca.crt')];
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
        ...['-keyout', key, '-out', certificate, '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'],
      ],
      { stdio: 'ignore' },
    );
    setDefaultCACertificates([...getCACertificates('default'), readFileSync(certificate, 'utf8')]);
    const expected = `Basic ${Buffer.from(`${token.username}:${token.password}`).toString('base64')}`;
    const script = fileURLToPath(new URL('registry-front.ts', import.meta.url));
    this.#front = fork(script, [String(this.#port), key, certificate, expected, join(this.folder, 'data')], {
      execArgv: [],
    });
    const [{ frontPort }] = (await once(this.#front, 'message')) as [{ frontPort: number }];
    this.frontPort = frontPort;
    await this.#untilReady();
  }

  async traffic(): Promise<Traffic> {
    if (this.#front === undefined) throw new Error('The front has not been started.');
    const answer = once(this.#front, 'message');
    this.#front.send('traffic');
    return ((await answer) as [Traffic])[0];
  }

  stop(): void {
    this.#front?.kill();
    this.#registry?.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Pushes images with skopeo, as an index where there are several manifests. */
  push(image: Image, repository: string, ...flags: string[]): void {
    const layout = join(this.folder, `layout-${image.top.digest.slice(7, 19)}`);
    const blobs = join(layout, 'blobs', 'sha256');
    mkdirSync(blobs, { recursive: true });
    for (const { digest, bytes } of [...image.manifests, ...image.blobs])
      writeFileSync(join(blobs, digest.slice(7)), bytes);
    writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    const { mediaType, digest, bytes } = image.top;
    const entry = {
      mediaType,
      digest,
      size: bytes.byteLength,
      annotations: { 'org.opencontainers.image.ref.name': 'v1' },
    };
    writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
    this.skopeo(
      'copy',
      '--dest-tls-verify=false',
      ...flags,
      `oci:${layout}:v1`,
      `docker://127.0.0.1:${this.#port}/${repository}`,
    );
  }

  skopeo(...words: string[]): string {
    return execFileSync('skopeo', ['--insecure-policy', ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  async #untilReady(): Promise<void> {
    for (let attempt = 0; attempt < 100; attempt += 1) {
      const isUp = await fetch(`http://127.0.0.1:${this.#port}/v2/`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (isUp) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('docker-registry did not start.');
  }
}
