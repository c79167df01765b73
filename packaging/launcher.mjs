#!/usr/bin/env node
// Plain JavaScript, which every Node reads: one that is too old is told so. Each command has a file of its own.
import { existsSync } from 'node:fs';

const [name = ''] = process.argv.slice(2);
if (Number(process.versions.node.split('.')[0]) < 22) {
  process.stderr.write(`This needs Node 22 or later, and is run by ${process.versions.node}.\n`);
  process.exitCode = 1;
} else {
  const file = new URL(`${/^[a-z]+$/.test(name) ? name : 'help'}.js`, import.meta.url);
  await import(existsSync(file) ? file.href : new URL('help.js', import.meta.url).href);
}
