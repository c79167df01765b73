/**
 * Puts the npm package's own package.json in the place of the clone's while `npm pack` runs. What the commands need is bundled:
 * the package has no dependencies, and the clone keeps its own. npm reads the file between these two scripts:
 * https://docs.npmjs.com/cli/v11/using-npm/scripts#life-cycle-operation-order
 *
 * usage: node packaging/manifest.ts take | restore
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = join(root, 'package.json');
const ofClone = join(root, 'dist', 'package.clone.json');

const restore = (): void => {
  if (existsSync(ofClone)) renameSync(ofClone, manifest);
};

const take = (): void => {
  // An npm pack that was cut off has left it.
  restore();
  if (!existsSync(join(root, 'dist', 'sbom.cdx.json'))) {
    const { status } = spawnSync('npm', ['run', 'build'], { cwd: root, stdio: ['ignore', 2, 2] });
    if (status !== 0) throw new Error(`npm run build ended with ${status}: there is nothing to pack.`);
  }
  const whole = readFileSync(manifest, 'utf8');
  const {
    private: _,
    scripts,
    dependencies,
    devDependencies,
    allowScripts,
    ...own
  } = JSON.parse(whole) as Record<string, unknown>;
  writeFileSync(ofClone, whole);
  writeFileSync(manifest, `${JSON.stringify({ ...own, engines: { node: '>=22' } }, undefined, 2)}\n`);
};

if (process.argv[2] === 'restore') restore();
else take();
