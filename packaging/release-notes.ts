/**
 * Prints what CHANGELOG.md says of the version that a tag names.
 *
 * usage: node packaging/release-notes.ts v1.2.3
 */
import { readFileSync } from 'node:fs';

/** @throws the tag, package.json and CHANGELOG.md do not name the same version */
export const releaseNotes = (tag: string, version: string, changelog: string): string => {
  if (tag !== `v${version}`)
    throw new Error(`The tag is ${tag}, and package.json says ${version}: change one of them.`);
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((each) => each.split('\n')[0]?.split(' ')[0] === version);
  const notes = section?.slice(section.indexOf('\n')).trim() ?? '';
  if (notes === '') {
    throw new Error(`CHANGELOG.md says nothing of ${version}: give what stands under Unreleased this heading.`);
  }
  return notes;
};

if (import.meta.main) {
  const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
  const { version } = JSON.parse(read('package.json')) as { version: string };
  process.stdout.write(`${releaseNotes(process.argv[2] ?? '', version, read('CHANGELOG.md'))}\n`);
}
