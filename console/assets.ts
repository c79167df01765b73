import { buildPage } from './build.ts';
import { drawMachines } from './layout.ts';
import type { PageFiles } from './server.ts';
import type { Drawings } from './view.ts';

/** What the console serves beside what happens: its page, and the workflows as they are drawn. */
interface ConsoleAssets {
  readonly files: PageFiles;
  readonly drawings: Drawings;
}

/** Builds the page, and lays the workflows out. In the npm package both are done already (packaging/console-assets.ts). */
export const loadAssets = async (): Promise<ConsoleAssets> => {
  const [files, drawings] = await Promise.all([buildPage(), drawMachines()]);
  return { files, drawings };
};
