import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { errorNames } from '../functions/lib/errors.ts';
import { errorFamilies } from '../functions/lib/report/platform-errors.ts';
import { paramNames } from '../infra/settings.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Errors that a run ends with although nobody throws them. */
const verdicts = ['EndpointNotPullingError', 'TargetLostError'];
const alarms = [
  ...[
    ...`${read('infra/alerts.yml')}${read('infra/rollout.yml')}`.matchAll(
      /^ {2}(\w+):\n {4}Type: AWS::CloudWatch::Alarm$/gm,
    ),
  ].map(([, name]) => name ?? ''),
  'TokenEndsSoon', // infra/alarms.ts
];
/** Errors that AWS names itself have a section for each family of them. */
const families = errorFamilies.map(({ section }) => section);
const kinds = ['delayed', 'degraded', 'recovered', 'digest'];
/** How rollouts end that people hear of. */
const rollouts = [...read('functions/lib/report/rollout-alerts.ts').matchAll(/'(Rollout\w+)'/g)].map(
  ([, name = '']) => name,
);

describe('the runbook', () => {
  const sections = [...read('docs/runbook.md').matchAll(/^### (.+)$/gm)].map(([, name]) => name ?? '');

  it('has a section for every alarm, error and kind of alert, and for nothing else', () => {
    expect(alarms.length).toBeGreaterThan(8);
    expect(sections.toSorted()).toEqual(
      [...alarms, ...errorNames, ...verdicts, ...families, ...kinds, ...new Set(rollouts)].toSorted(),
    );
  });

  it('says in each what it means, how urgent it is, what to check, what to do, and when it is over', () => {
    const bodies = read('docs/runbook.md')
      .split(/^### .+$/m)
      .slice(1);
    for (const body of bodies) {
      for (const part of ['It means', 'How urgent', 'Check', 'Do', 'It is over when'])
        expect(body).toContain(`**${part}:**`);
    }
  });
});

describe('docs/targets.md', () => {
  it('names every parameter of the stack', () => {
    const inline = [...read('serverless.yml').matchAll(/param:(\w+)/g)].map(([, name]) => name ?? '');
    const parameters = new Set([...paramNames, ...inline]);
    expect(parameters.size).toBeGreaterThan(8);
    expect([...parameters].filter((name) => !read('docs/targets.md').includes(`\`${name}\``))).toEqual([]);
  });
});

describe('the README', () => {
  it('reads in five minutes', () => {
    const words = read('README.md')
      .replaceAll(/```.*?```/gs, '')
      .split(/\s+/);
    // 260 words a minute: Brysbaert 2019, https://doi.org/10.1016/j.jml.2019.104047
    expect(words.length).toBeLessThan(5 * 260);
  });
});

describe('the changelog', () => {
  it('has the day of each release', () => {
    const releases = [...read('CHANGELOG.md').matchAll(/^## (.+)$/gm)].map(([, heading = '']) => heading);
    expect(releases.length).toBeGreaterThan(1);
    expect(
      releases.filter((each) => each !== 'Unreleased' && !/^\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)$/.test(each)),
    ).toEqual([]);
  });
});

/** A heading's anchor, as GitHub makes it. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-');

describe('every document', () => {
  const documents = [
    ...readdirSync(root),
    ...['docs', '.github'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, String(name))),
    ),
  ].filter((name) => name.endsWith('.md'));
  /** What of a link's text is shown, and so is in the heading's anchor. */
  const anchorsOf = (document: string): string[] =>
    [...read(document).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      anchorOf(heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')),
    );

  it.each(documents)('%s links only to what is there', (document) => {
    const links = [...read(document).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)];
    const missing = links.filter(([, path = '', anchor]) => {
      const file = path === '' ? document : join(dirname(document), path);
      return !existsSync(join(root, file)) || (anchor !== undefined && !anchorsOf(file).includes(anchor));
    });
    expect(missing.map(([link]) => link)).toEqual([]);
  });

  it.each(documents)('%s begins no sentence within a block of code', (document) => {
    expect([...read(document).matchAll(/^```\n\n?[a-z].*/gm)].map(([line]) => line)).toEqual([]);
  });

  it.each(documents)('%s names only files of ours that there are', (document) => {
    const rooms = 'action|bench|cli|console|docs|functions|infra|packaging|runner|simulator|stack|statemachines|test';
    const named = [...read(document).matchAll(new RegExp(`[\\s\`(]((?:${rooms})/[\\w./-]*\\w)`, 'g'))].map(
      ([, path = '']) => path,
    );
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it.each(documents)('%s names only commands that there are', (document) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...read(document).matchAll(/npm run (?:-s )?([\w:]+)/g)].map(([, name]) => name ?? '');
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  it('gives each dependency its line', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
      'dependencies' | 'devDependencies',
      Record<string, string>
    >;
    const text = read('docs/dependencies.md');
    const names = [...Object.keys(dependencies), ...Object.keys(devDependencies)].map((name) =>
      name.replace('@aws-sdk/client-', '-'),
    );
    expect(names.filter((name) => !text.includes(name))).toEqual([]);
  });
});
