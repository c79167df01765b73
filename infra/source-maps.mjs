import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';

/**
 * Lets a bundle's stack traces name the places in its sources. Node's --enable-source-maps does so, too, and for that walks
 * each character of a bundle while loading it, which each cold start would wait for; here the map is read when the first
 * stack is asked for. https://nodejs.org/api/module.html#class-modulesourcemap, https://v8.dev/docs/stack-trace-api
 */
const maps = new Map();

const mapOf = (url) => {
  if (!maps.has(url)) maps.set(url, new SourceMap(JSON.parse(readFileSync(fileURLToPath(`${url}.map`), 'utf8'))));
  return maps.get(url);
};

/** A call as V8 writes it, with the place in the sources for that in the bundle. Whatever cannot be mapped stays. */
const inSources = (call) => {
  const text = String(call);
  try {
    const [url, line, column] = [call.getScriptNameOrSourceURL(), call.getLineNumber(), call.getColumnNumber()];
    const { fileName, lineNumber, columnNumber } = mapOf(url).findOrigin(line, column);
    const source = fileName.replace(/^(?:\.\.\/)+/, '');
    return text.replace(`${url}:${line}:${column}`, () => `${source}:${lineNumber}:${columnNumber}`);
  } catch {
    return text;
  }
};

Error.prepareStackTrace = (error, calls) =>
  [Error.prototype.toString.call(error), ...calls.map((call) => `    at ${inSources(call)}`)].join('\n');
