import { fileURLToPath } from 'node:url';

/** Takes the place of runner/engine-file.ts: the engine lies beside the bundles. */
export const engineFile = fileURLToPath(new URL('engine.cjs', import.meta.url));
