/**
 * Runs a program that is written in TypeScript, or says in one sentence what is missing. Plain JavaScript, which any
 * Node reads.
 *
 * usage: node cli/launch.mjs cli/main.ts status --stage prod
 */
import { existsSync } from 'node:fs';
import module from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { neededNode } from '../infra/needed-node.mjs';

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
if (neededNode !== undefined) end(neededNode);
else if (!existsSync(program)) end(`There is no program ${program}.`);
else {
  process.argv.splice(1, 2, program);
  // What is compiled once need not be again: a command begins in two thirds of the time. In the project's folder, for others may write to the system's.
  // https://nodejs.org/api/module.html#module-compile-cache
  module.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)));
  await import(pathToFileURL(program).href).catch(explain);
}
