import { readdirSync, readFileSync } from 'node:fs';
import type { loadAssets as loadAssetsHere } from '../console/assets.ts';
import { pageFiles } from '../console/page-files.ts';

const folder = new URL('console/', import.meta.url);

/** Takes the place of console/assets.ts: the page is built, and the workflows laid out. */
export const loadAssets: typeof loadAssetsHere = async () => ({
  files: pageFiles(
    readdirSync(folder)
      .filter((name) => name !== 'drawings.json')
      .map((name) => [name, readFileSync(new URL(name, folder))]),
  ),
  drawings: JSON.parse(readFileSync(new URL('drawings.json', folder), 'utf8')),
});
