/** What is needed, in a sentence; `undefined` where this Node will do. */
export declare const neededNode: string | undefined;
