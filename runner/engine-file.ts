import { createRequire } from 'node:module';

/** The published file of aws-local-stepfunctions. The npm package has it beside its bundles (packaging/engine-file.ts). */
export const engineFile = createRequire(import.meta.url).resolve('aws-local-stepfunctions');
