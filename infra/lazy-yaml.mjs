/** The YAML reader, packaged beside the bundles and loaded when something is read: what packaging writes for them is JSON. */
const reader = 'yaml'; // a name that esbuild does not follow
const yaml = () => require(reader);

export const parseDocument = (...given) => yaml().parseDocument(...given);
export const isMap = (node) => yaml().isMap(node);
export const isNode = (node) => yaml().isNode(node);
export const isScalar = (node) => yaml().isScalar(node);
export const isSeq = (node) => yaml().isSeq(node);
export const LineCounter = class {
  constructor() {
    // biome-ignore lint/correctness/noConstructorReturn: it stands for the reader's own.
    return new (yaml().LineCounter)();
  }
};
