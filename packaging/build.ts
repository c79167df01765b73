/** Builds what the npm package has, into dist/: a file for each command, and what they read at run time. */
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import * as z from 'zod/mini';
import { loadAssets } from '../console/assets.ts';
import { engineFile } from '../runner/engine-file.ts';
import { copyProject, packagedStage, packageStack } from '../simulator/packaged.ts';
import { bundledPackages, writeBillOfMaterials, writeNotices } from './notices.ts';
import { fitSources, keepOnly, leaveOut, nameDynaliteFiles, takeCounterparts } from './plugins.ts';
import { program } from './texts.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const at = (path: string): string => join(root, path);

const {
  name,
  version,
  files: packed,
} = z
  .object({ name: z.string(), version: z.string(), files: z.array(z.string()) })
  .parse(JSON.parse(readFileSync(at('package.json'), 'utf8')));

const common = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  keepNames: true,
  legalComments: 'none',
  metafile: true,
  platform: 'node',
  target: 'node22',
  logLevel: 'warning',
} satisfies BuildOptions;

const bundle = (name: string, plugins: readonly Plugin[]) =>
  build({
    ...common,
    entryPoints: [at('cli/main.ts')],
    outfile: join(dist, `${name}.js`),
    format: 'esm',
    mainFields: ['module', 'main'],
    // Packages that are CommonJS ask for Node's modules by it.
    banner: { js: "import{createRequire as r}from'node:module';const require=r(import.meta.url);" },
    // dynalite's tables are in memory: it needs no database on the disk.
    plugins: [...plugins, takeCounterparts, nameDynaliteFiles, leaveOut(/^level$/)],
  });

const bundleEngine = () =>
  build({
    ...common,
    entryPoints: [engineFile],
    outfile: join(dist, 'engine.cjs'),
    format: 'cjs',
    // The clients of AWS are for states that no local handler answers: here one answers each.
    plugins: [leaveOut(/^@aws-sdk\//)],
  });

const findCommands = async (): Promise<string[]> => {
  const commands = new Set<string>();
  await build({
    ...common,
    entryPoints: [at('cli/main.ts')],
    format: 'esm',
    packages: 'external',
    write: false,
    plugins: [keepOnly(undefined, (other) => commands.add(other))],
  });
  return [...commands];
};

const writeConsole = async (): Promise<void> => {
  const { files, drawings } = await loadAssets();
  const folder = join(dist, 'console');
  mkdirSync(folder);
  for (const [path, { content }] of files)
    writeFileSync(join(folder, path === '/' ? 'index.html' : path.slice(1)), content);
  writeFileSync(join(folder, 'drawings.json'), JSON.stringify(drawings));
};

/** Packages the stack as a clone without a targets.yml has it: nobody's own is published. */
const writeTemplate = (): void => {
  const project = existsSync(at('targets.yml'))
    ? copyProject(readFileSync(at('targets.example.yml'), 'utf8'))
    : undefined;
  try {
    const { template } = project?.packageStack('--stage', packagedStage) ?? packageStack();
    writeFileSync(join(dist, 'template.json'), JSON.stringify({ stage: packagedStage, template }));
  } finally {
    project?.remove();
  }
};

for (const stale of globSync(['*.js', 'console'], { cwd: dist })) rmSync(join(dist, stale), { recursive: true });
mkdirSync(dist, { recursive: true });
const commands = await findCommands();
const fit = fitSources(commands, packed);
const built = await Promise.all([
  bundle('help', [keepOnly(undefined, () => {}), fit]),
  ...commands.map((command) => bundle(command, [keepOnly(command, () => {}), fit])),
  bundleEngine(),
  writeConsole(),
]);
writeTemplate();
cpSync(at('packaging/launcher.mjs'), join(dist, `${program}.js`));
const packages = bundledPackages(
  root,
  built.flatMap((each) => Object.keys(each?.metafile.inputs ?? {})),
);
writeFileSync(join(dist, 'THIRD-PARTY-NOTICES.txt'), writeNotices(packages));
writeFileSync(join(dist, 'sbom.cdx.json'), writeBillOfMaterials({ name, version }, packages));
process.stdout.write(
  `Built for the npm package, in dist/: ${commands.join(', ')}; parts of ${packages.length} packages.\n`,
);
