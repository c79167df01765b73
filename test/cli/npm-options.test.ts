import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { World } from '../../simulator/world.ts';
import { run } from '../support/command.ts';

let world: World;
beforeEach(async () => {
  world = await World.begin();
});
afterEach(() => world.end());

describe('an option that npm keeps for itself', () => {
  it.each<readonly [string, readonly string[], Record<string, string>, string]>([
    ['refresh', [], { npm_config_dry_run: 'true' }, 'npm run refresh -- --dry-run'],
    ['refresh', ['production'], { npm_config_target: 'true' }, 'npm run refresh -- --target production'],
    ['refresh', ['--dry-run'], { npm_config_target: 'production' }, 'npm run refresh -- --target production --dry-run'],
    ['status', ['prod'], { npm_config_stage: 'true' }, 'npm run status -- --stage prod'],
    ['status', [], { npm_config_json: 'true', npm_config_stage: 'prod' }, 'npm run status -- --stage prod --json'],
    ['doctor', [], { npm_config_region: 'true' }, 'npm run doctor -- --region <region>'],
    ['setup', [], { npm_config_undo: 'true', npm_config_yes: 'true' }, 'npm run setup -- --undo'],
    ['alert', [], { npm_config_kind: 'failed' }, 'npm run alert -- --kind failed'],
    ['console', [], { npm_config_live: 'true' }, 'npm run console -- --live'],
  ])('is refused by %s %j with %j, before anything is done, with the line to type', async (name, words, kept, line) => {
    for (const npm_command of ['run', 'run-script']) {
      const ended = await run(world, [name, ...words], { environment: { npm_command, ...kept } });
      expect(ended.printedErrors.trimEnd().split('\n').at(-1)?.trim()).toBe(line);
      expect([ended.code, ended.printed, world.runpod.stored.length]).toEqual([2, '', 0]);
    }
  });

  it.each<readonly [string, Record<string, string>]>([
    ['outside of a script', { npm_command: 'exec', npm_config_dry_run: 'true' }],
    ['where there is no npm', { npm_config_dry_run: 'true' }],
    ['that npx -y sets', { npm_command: 'run', npm_config_yes: 'true' }],
    ['that npm sets to nothing', { npm_command: 'run', npm_config_dry_run: '' }],
    ['of npm’s own', { npm_command: 'run', npm_config_cache: '/tmp/x', npm_config_color: 'always' }],
  ])('is none of ours %s', async (_where, environment) => {
    const ended = await run(world, ['refresh'], { environment });
    expect(ended.code).toBe(0);
    expect(world.runpod.stored).toHaveLength(1);
  });

  it('is refused by npm start, too', () => {
    const { status, stderr } = spawnSync(process.execPath, ['simulator/start.ts'], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, npm_command: 'start', npm_config_scenario: 'push' },
    });
    expect([status, stderr.trimEnd().split('\n').at(-1)?.trim()]).toEqual([2, 'npm start -- --scenario push']);
  });
});
