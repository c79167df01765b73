import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registryHost, World } from '../../simulator/world.ts';
import { useProxy } from '../../stack/proxy.ts';
import { run, runPiped } from '../support/command.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'proxy-'));
const file = (name: string): string => join(folder, name);

/** A company's own authority, and a certificate of it for the hosts that the commands speak to. */
const makeCertificate = (): void => {
  const openssl = (...words: string[]): void => void execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' });
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '2',
    '-subj',
    '/CN=Company',
  );
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'host.key', '-out', 'host.csr', '-subj', '/CN=hosts');
  writeFileSync(
    file('names'),
    `subjectAltName=DNS:*.us-east-1.amazonaws.com,DNS:${registryHost},DNS:*.dkr.ecr.us-east-1.amazonaws.com,DNS:api.ecr.us-east-1.amazonaws.com,DNS:api.runpod.io,DNS:rest.runpod.io,DNS:api.runpod.ai`,
  );
  openssl(
    'x509',
    '-req',
    '-in',
    'host.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-out',
    'host.pem',
    '-days',
    '2',
    '-extfile',
    'names',
  );
};

const portOf = (server: { address(): AddressInfo | string | null }): number => (server.address() as AddressInfo).port;
const listening = (server: { listen(port: number, host: string, done: () => void): unknown }): Promise<void> =>
  new Promise((done) => server.listen(0, '127.0.0.1', done));

describe.skipIf(!hasOpenssl)('behind a proxy', () => {
  let world: World;
  /** Where the proxy was asked to lead to. */
  const asked: string[] = [];
  const servers: Array<Pick<Server, 'close' | 'closeAllConnections'>> = [];
  let environment: Record<string, string | undefined>;

  beforeAll(async () => {
    makeCertificate();
    world = await World.begin();
    const image = world.push('team/worker', 'v1');
    world.runpod.addEndpoint({ id: '4m7x2k9q', name: 'images', image, registry: '6n2k8v4d' });
    const variables = world.processEnvironment();
    let store = '';
    /** The services as the internet has them: by name, over TLS. */
    const urlOf = (host: string, path: string): URL => {
      if (host === 's3.us-east-1.amazonaws.com') return new URL(path, store);
      if (host.includes('.dkr.ecr.')) return new URL(`/${host}${path}`, variables.REGISTRY_ENDPOINT_URL);
      return new URL(path, host.endsWith('runpod.io') ? variables.RUNPOD_API_URL : variables.AWS_ENDPOINT_URL);
    };
    /** ECR redirects to S3. */
    const leadToStore = (headers: IncomingHttpHeaders): IncomingHttpHeaders => {
      if (headers.location === undefined) return headers;
      const { origin, pathname, search } = new URL(headers.location);
      store = origin;
      return { ...headers, location: `https://s3.us-east-1.amazonaws.com${pathname}${search}` };
    };
    const internet = createTlsServer(
      { key: readFileSync(file('host.key')), cert: readFileSync(file('host.pem')) },
      (incoming, outgoing) => {
        const { method = 'GET', headers, url = '/' } = incoming;
        const onward = request(urlOf(headers.host ?? '', url), { method, headers }, (answer) => {
          outgoing.writeHead(answer.statusCode ?? 502, leadToStore(answer.headers));
          answer.pipe(outgoing);
        });
        onward.on('error', () => outgoing.destroy());
        incoming.pipe(onward);
      },
    );
    const proxy = createServer((_, answer) => answer.writeHead(502).end());
    proxy.on('connect', ({ url = '' }, socket) => {
      asked.push(url);
      const onward = connect(portOf(internet), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        onward.pipe(socket).pipe(onward);
      });
      onward.on('error', () => socket.destroy());
      socket.on('error', () => onward.destroy());
    });
    await Promise.all([listening(internet), listening(proxy)]);
    servers.push(internet, proxy);
    environment = {
      HTTPS_PROXY: `http://127.0.0.1:${portOf(proxy)}`,
      NODE_EXTRA_CA_CERTS: file('ca.pem'),
      AWS_ENDPOINT_URL: undefined,
      RUNPOD_API_URL: undefined,
      RUNPOD_GRAPHQL_URL: undefined,
      RUNPOD_REST_URL: undefined,
      RUNPOD_JOBS_URL: undefined,
      REGISTRY_ENDPOINT_URL: undefined,
      UPSTREAM_TIMEOUT_SECONDS: '10',
    };
  }, 120_000);

  afterAll(async () => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
    await world.end();
  });

  it('AWS, ECR and Runpod are reached through it, and a company’s certificates are trusted', async () => {
    const { code, printed, printedErrors } = await runPiped(world, ['refresh', '--dry-run', '--json'], { environment });
    expect(printedErrors).not.toMatch(/could not be reached|certificate/);
    expect(JSON.parse(printed)).toMatchObject({ outcome: 'succeeded', dryRun: true });
    expect(code).toBe(0);
    expect([...new Set(asked)].sort()).toEqual(
      expect.arrayContaining(
        ['sts', 'ssm', 'api.ecr']
          .map((service) => `${service}.us-east-1.amazonaws.com:443`)
          .concat(`${registryHost}:443`, 'api.runpod.io:443'),
      ),
    );
  });

  it('what NO_PROXY names is not', async () => {
    const elsewhere = { ...environment, RUNPOD_API_URL: 'https://127.0.0.1:9/v2' };
    for (const [noProxy, isAsked] of [
      ['', true],
      ['127.0.0.1', false],
    ] as const) {
      asked.length = 0;
      await runPiped(world, ['doctor', '--json'], {
        environment: { ...elsewhere, NO_PROXY: noProxy },
      });
      expect([asked.includes('127.0.0.1:9'), asked.includes('sts.us-east-1.amazonaws.com:443')]).toEqual([
        isAsked,
        true,
      ]);
    }
  });

  it('is named, and not its password, where nothing is reached', async () => {
    const nowhere = { AWS_ENDPOINT_URL: 'http://127.0.0.1:9', UPSTREAM_TIMEOUT_SECONDS: '2' };
    const proxied = { ...nowhere, HTTPS_PROXY: 'http://me:SENTINELPASSWORD@127.0.0.1:9' };
    const { printedErrors } = await run(world, ['status'], { environment: proxied });
    expect(printedErrors).toContain('could not be reached');
    expect(printedErrors).toContain('HTTPS_PROXY is set: look whether that proxy can be reached');
    expect(printedErrors).not.toContain('SENTINELPASSWORD');
    expect((await run(world, ['status'], { environment: nowhere })).printedErrors).not.toContain('PROXY');
  });

  it('is refused by a Node that knows none, with what to do', () => {
    expect(useProxy({ HTTPS_PROXY: 'http://127.0.0.1:9' }, '22.18.0')).toMatch(
      /^HTTPS_PROXY is set, which Node 22\.18\.0 cannot heed: run it by Node 24\.5 or later/,
    );
    expect(useProxy({ HTTPS_PROXY: '' }, '22.18.0')).toBeUndefined();
    expect(useProxy({}, '22.18.0')).toBeUndefined();
  });
});
