import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { maxPackagingMs } from '../../simulator/packaged.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A checkout of the project, as a job of its own has it. */
const checkOut = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'checkout-'));
  for (const name of ['functions', 'infra', 'statemachines', 'docs', 'package.json', 'serverless.yml']) {
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
};

const targets = `
targets:
  - name: production
    ecr: { region: us-east-1 }
    runpod: { apiKey: "ssm:/runpod-ecr-refresh/production/api-key", registry: 6n2k8v4d }
`;

/** AWS before a first deploy. It refuses to make the stack: that this was asked is what matters here. */
const answer = (body: string): { readonly status: number; readonly body: string } => {
  const error = (Code: string, Message: string) => ({
    status: 400,
    body: `<ErrorResponse><Error><Type>Sender</Type><Code>${Code}</Code><Message>${Message}</Message></Error></ErrorResponse>`,
  });
  if (/Action=(?:DescribeStacks|GetTemplate)&/.test(body)) return error('ValidationError', 'The stack does not exist');
  return body.startsWith('Action=') ? error('AccessDenied', 'CreateStack is refused') : { status: 200, body: '{}' };
};

let folders: string[];
let asked: string[];
const server = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString();
  const target = request.headers['x-amz-target'];
  asked.push(typeof target === 'string' ? (target.split('.').at(-1) ?? '') : (/Action=(\w+)/.exec(body)?.[1] ?? ''));
  const { status, body: text } = answer(body);
  response.writeHead(status, { 'content-type': 'text/xml' }).end(text);
});

const serverless = (cwd: string, ...words: string[]): Promise<string> =>
  new Promise((resolve) => {
    const { port } = server.address() as AddressInfo;
    const env = {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      SLS_NOTIFICATIONS_MODE: 'off',
      SLS_TELEMETRY_DISABLED: '1',
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'example',
    };
    const command = join(root, 'node_modules', 'serverless', 'bin', 'serverless.js');
    execFile(process.execPath, [command, ...words], { cwd, env }, (_, stdout, stderr) => resolve(stdout + stderr));
  });

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  folders = [checkOut(), checkOut(), mkdtempSync(join(tmpdir(), 'package-'))];
});
afterAll(() => {
  server.close();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

describe('a package that one job makes and another deploys', () => {
  it(
    'is deployed as it was packaged, after the same checks, and only as its own stage',
    async () => {
      const [building = '', deploying = '', packaged = ''] = folders;
      writeFileSync(join(building, 'targets.yml'), targets);
      asked = [];
      expect(await serverless(building, 'package', '--stage', 'prod', '--package', packaged)).toContain('packaged');
      expect(asked).toEqual([]);

      writeFileSync(join(deploying, 'targets.yml'), targets);
      const output = await serverless(deploying, 'deploy', '--stage', 'prod', '--package', packaged);
      expect(output).toContain('CreateStack is refused');
      expect(asked.filter((each) => each !== 'GetCallerIdentity')).toEqual([
        'GetTemplate', // what infra/before-deploy.ts reads
        'PutMetricData', // and publishes
        'DescribeStacks',
        'CreateStack',
      ]);
      expect(existsSync(join(deploying, '.esbuild'))).toBe(false);

      asked = [];
      const refused = await serverless(deploying, 'deploy', '--stage', 'dev', '--package', packaged);
      expect(refused).toContain('is "runpod-ecr-refresh-prod", not runpod-ecr-refresh-dev');
      expect(asked.filter((each) => each !== 'GetCallerIdentity')).toEqual([]);
    },
    maxPackagingMs,
  );
});
