/**
 * Whether this Node runs TypeScript. Plain JavaScript, which the oldest Node reads that npm 7 runs on. Node strips types since
 * 22.18 and 23.6: https://nodejs.org/api/typescript.html
 */
const [major, minor] = process.versions.node.split('.').map(Number);

/** What is needed, in a sentence; `undefined` where this Node will do. */
export const neededNode =
  major > 23 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18)
    ? undefined
    : `This needs Node 22.18 or later, and is run by ${process.versions.node}: run npm ci, without --ignore-scripts and --omit=dev, which brings Node 24 along, or install a newer Node.`;
