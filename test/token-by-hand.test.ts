import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { World } from '../simulator/world.ts';

const runbook = readFileSync(new URL('../docs/runbook.md', import.meta.url), 'utf8');
const script = /```sh\n(.*?)```/s.exec(runbook)?.[1] ?? '';

let world: World;
afterEach(() => world.end());

/** Runs what the runbook prints, with jq and curl as they are, where Runpod is on loopback and `aws` prints a token. */
const storeByHand = async (token: string): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), 'by-hand-'));
  writeFileSync(
    join(folder, 'aws'),
    `#!/bin/sh\n[ "$*" = 'ecr get-login-password --region us-east-1' ] && echo '${token}'\n`,
  );
  chmodSync(join(folder, 'aws'), 0o755);
  const here = script
    .replace('https://api.runpod.io/v2', world.processEnvironment().RUNPOD_API_URL ?? '')
    .replace('CREDENTIAL', '6n2k8v4d');
  const shell = spawn('bash', ['--norc', '-c', here], {
    env: { PATH: [folder, process.env.PATH].join(delimiter) },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  shell.stdin.end(`${world.apiKey}\n`);
  let printed = '';
  shell.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  const [code] = (await once(shell, 'close')) as [number];
  expect(code).toBe(0);
  return printed;
};

it('stores a token as the runbook says to, by hand', async () => {
  world = await World.begin();
  const printed = await storeByHand('a-token-of-ours');
  expect(world.runpod.credentials.get('6n2k8v4d')).toMatchObject({
    token: { username: 'AWS', password: 'a-token-of-ours' },
  });
  expect(printed).not.toContain('a-token-of-ours');
});
