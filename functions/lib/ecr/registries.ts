import { parseEcrHost } from './host.ts';
import { parseImageReference } from './image-reference.ts';

const isEcr = (host: string): boolean => parseEcrHost(host) !== undefined;

/** The registries of images, each once, ECR's first. An image that nothing pulls has none. */
export const registriesOf = (images: readonly string[]): string[] => {
  const found = new Set(images.flatMap((image) => parseImageReference(image)?.registry ?? []));
  return [...found].toSorted((one, other) => Number(isEcr(other)) - Number(isEcr(one)));
};
