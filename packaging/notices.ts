import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';

/** A package of npm of which something is bundled. */
interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX expression. */
  readonly license: string;
  /** The texts that its licence asks to be handed on. */
  readonly notices: readonly string[];
}

/** Licences that may be bundled with MIT's when their texts are handed on. */
const allowed = ['MIT', 'MIT-0', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'BlueOak-1.0.0'];

const packageSchema = z.object({
  name: z.string(),
  version: z.string(),
  license: z.union([
    z.string(),
    z.pipe(
      z.object({ type: z.string() }),
      z.transform(({ type }) => type),
    ),
  ]),
});

/** The folder of the package that a bundled file is of. */
const packageFolder = (input: string): string | undefined =>
  /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input)?.[0];

/**
 * The packages of which something is bundled.
 *
 * @param inputs the paths of bundled files
 * @throws a package has no licence that may be bundled
 */
export const bundledPackages = (root: string, inputs: Iterable<string>): BundledPackage[] => {
  const folders = new Set([...inputs].flatMap((input) => packageFolder(input) ?? []));
  const packages = new Map<string, BundledPackage>();
  for (const folder of folders) {
    const { name, version, license } = packageSchema.parse(
      JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')),
    );
    if (!allowed.includes(license))
      throw new Error(`${name} ${version} is under ${license}: it may not be bundled unread.`);
    const notices = readdirSync(join(root, folder))
      .filter((file) => /^(?:licen[cs]e|notice|copying)/i.test(file))
      .toSorted()
      .map((file) => readFileSync(join(root, folder, file), 'utf8').trim());
    packages.set(`${name}@${version}`, { name, version, license, notices });
  }
  return [...packages.values()].toSorted((a, b) => a.name.localeCompare(b.name, 'en'));
};

/** The licences of what is bundled, each text once. */
export const writeNotices = (packages: readonly BundledPackage[]): string => {
  const byText = new Map<string, string[]>();
  for (const { name, version, license, notices } of packages) {
    const text =
      notices.length === 0
        ? `The package has no text of its licence: https://spdx.org/licenses/${license}.html`
        : notices.join('\n\n');
    byText.set(text, [...(byText.get(text) ?? []), `${name} ${version} (${license})`]);
  }
  const parts = [...byText].map(([text, names]) => `${names.join('\n')}\n\n${text}\n`);
  return `The files of this folder contain parts of these packages.\n\n${parts.join(`\n${'-'.repeat(80)}\n\n`)}`;
};

/** What is bundled, as a CycloneDX bill of materials: https://cyclonedx.org/docs/1.6/json/ */
export const writeBillOfMaterials = (
  { name, version }: Pick<BundledPackage, 'name' | 'version'>,
  packages: readonly BundledPackage[],
): string => {
  const purl = (each: Pick<BundledPackage, 'name' | 'version'>) =>
    `pkg:npm/${each.name.replace('@', '%40')}@${each.version}`;
  const bill = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        type: 'application',
        'bom-ref': purl({ name, version }),
        name,
        version,
        purl: purl({ name, version }),
      },
    },
    components: packages.map((each) => ({
      type: 'library',
      'bom-ref': purl(each),
      name: each.name,
      version: each.version,
      purl: purl(each),
      licenses: [{ license: { id: each.license } }],
    })),
  };
  return `${JSON.stringify(bill, undefined, 2)}\n`;
};
