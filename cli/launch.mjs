/**
 * Runs a program that is written in TypeScript, or says in one sentence what is missing. Plain JavaScript, which the oldest
 * Node reads that npm 7 runs on. Node strips types since 22.18 and 23.6: https://nodejs.org/api/typescript.html
 *
 * usage: node cli/launch.mjs cli/main.ts status --stage prod
 */
import { existsSync } from 'node:fs';
import module from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);
const stripsTypes = major > 23 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);

/** @param {string} sentence */
const end = (sentence) => {
  process.stderr.write(`${sentence}\n`);
  process.exitCode = 1;
};

/** @param {any} error */
const explain = (error) => {
  const name = error && error.code === 'ERR_MODULE_NOT_FOUND' ? /package '([^']+)'/.exec(error.message) : null;
  if (name === null) throw error;
  end(`The package ${name[1]} is not installed: run npm ci, without --omit=dev.`);
};

const program = resolve(process.argv[2] || '');
if (!stripsTypes) {
  end(
    `This needs Node 22.18 or later, and is run by ${process.versions.node}: run npm ci, without --ignore-scripts and --omit=dev, which brings Node 24 along, or install a newer Node.`,
  );
} else if (!existsSync(program)) end(`There is no program ${program}.`);
else {
  process.argv.splice(1, 2, program);
  // What is compiled once need not be again: a command begins in two thirds of the time. In the project's folder, for others may write to the system's.
  // https://nodejs.org/api/module.html#module-compile-cache
  module.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)));
  await import(pathToFileURL(program).href).catch(explain);
}
