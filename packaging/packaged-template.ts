import { readFileSync } from 'node:fs';
import type { Template } from '../simulator/packaged.ts';

interface PackagedTemplate {
  readonly stage: string;
  readonly template: Template;
}

const { stage, template }: PackagedTemplate = JSON.parse(
  readFileSync(new URL('template.json', import.meta.url), 'utf8'),
);

/** With `packagedTemplate`, takes the place of simulator/packaged.ts: the stack is packaged. */
export const packagedStage = stage;
export const packagedTemplate = (): Template => template;
