import type { Definition } from '../runner/definition.ts';
import { buildPage } from './build.ts';
import { layOut } from './layout.ts';
import type { PageFiles } from './server.ts';
import type { Drawing } from './view.ts';

/** What the console serves beside what happens: its page, and the workflow as it is drawn. */
export interface ConsoleAssets {
  readonly files: PageFiles;
  readonly drawing: Drawing;
}

/** Builds the page, and lays the workflow out. In the npm package both are done already (packaging/console-assets.ts). */
export const loadAssets = async (definition: Definition): Promise<ConsoleAssets> => {
  const [files, drawing] = await Promise.all([buildPage(), layOut(definition)]);
  return { files, drawing };
};
