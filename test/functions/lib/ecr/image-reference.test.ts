import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  explainReference,
  formatImageReference,
  manifestReference,
  nameImage,
  parseImageReference,
} from '../../../../functions/lib/ecr/image-reference.ts';

const digest = `sha256:${'0f'.repeat(32)}`;
const ecr = '123456789012.dkr.ecr.us-east-1.amazonaws.com';

describe('an image reference', () => {
  it.each([
    [`${ecr}/team/worker:v1`, { registry: ecr, repository: 'team/worker', tag: 'v1' }, 'v1'],
    [`${ecr}/worker`, { registry: ecr, repository: 'worker' }, 'latest'],
    [`${ecr}/a/b/c/d@${digest}`, { registry: ecr, repository: 'a/b/c/d', digest }, digest],
    [`${ecr}/a:v1@${digest}`, { registry: ecr, repository: 'a', tag: 'v1', digest }, digest],
    ['localhost:5000/a:v1', { registry: 'localhost:5000', repository: 'a', tag: 'v1' }, 'v1'],
    ['localhost/a', { registry: 'localhost', repository: 'a' }, 'latest'],
    ['ubuntu', { registry: 'docker.io', repository: 'library/ubuntu' }, 'latest'],
    ['ubuntu:24.04', { registry: 'docker.io', repository: 'library/ubuntu', tag: '24.04' }, '24.04'],
    [
      'runpod/pytorch:1.0.2-cu1281',
      { registry: 'docker.io', repository: 'runpod/pytorch', tag: '1.0.2-cu1281' },
      '1.0.2-cu1281',
    ],
    [`${ecr}/a--b__c.d/e_f`, { registry: ecr, repository: 'a--b__c.d/e_f' }, 'latest'],
  ])('%s is read as Docker reads it', (text, parsed, asked) => {
    expect(parseImageReference(text)).toEqual(parsed);
    expect(manifestReference(parsed)).toBe(asked);
  });

  it.each([
    '',
    ' ',
    `${ecr}/`,
    `${ecr}/Team/worker`,
    `${ecr}//worker`,
    `${ecr}/worker:`,
    `${ecr}/worker:-v1`,
    `${ecr}/worker@sha256:123`,
    `${ecr}/worker@${digest}@${digest}`,
    `${ecr}/worker@md5:${'0'.repeat(32)}`,
    `user@${ecr}/worker`,
    `https://${ecr}/worker`,
    `${ecr}/worker?tag=v1`,
    `${ecr}/../worker`,
    `${ecr}:port/worker`,
    `${ecr}/${'a'.repeat(256)}`,
    'a'.repeat(1025),
  ])('%s is refused', (text) => {
    expect(parseImageReference(text)).toBeUndefined();
  });

  it('survives being written and read again', () => {
    const component = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    const reference = fc.record(
      {
        registry: fc.constantFrom(ecr, 'localhost:5000', 'ghcr.io'),
        repository: fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/')),
        tag: fc.stringMatching(/^\w[\w.-]{0,20}$/),
        digest: fc.constant(digest),
      },
      { requiredKeys: ['registry', 'repository'] },
    );
    fc.assert(
      fc.property(reference, (each) => {
        expect(parseImageReference(formatImageReference(each))).toEqual(each);
      }),
    );
  });

  it('never makes the parser throw, or read a registry with a path or a user in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        expect(parseImageReference(text)?.registry ?? 'none').toMatch(/^[a-zA-Z0-9.-]+(?::\d+)?$/);
      }),
    );
  });
});

describe('a text that is no image reference', () => {
  it.each([
    ['', /empty/],
    [' ', /empty/],
    [`https://${ecr}/worker:v1`, /begins with a scheme/],
    ['docker://worker', /begins with a scheme/],
    [` ${ecr}/worker:v1`, /blank at its beginning/],
    [`${ecr}/worker:v1 `, /blank at its end/],
    [`${ecr}/worker:v1\n`, /blank at its end/],
    [`docker pull ${ecr}/worker:v1`, /blank inside/],
    [`${ecr}/wörker:v1`, /ASCII/],
    [`${ecr}/worker\u202e:v1`, /ASCII/],
    [`${ecr}/Team/worker:v1`, /capitals/],
    [`${ecr}/worker:`, /ends in a colon/],
    [`${ecr}/worker:-v1`, /its tag/],
    [`${ecr}/worker:${'a'.repeat(129)}`, /its tag/],
    [`${ecr}/worker@sha256:123`, /no digest/],
    [`${ecr}/worker@${digest}@${digest}`, /more than one @/],
    [`user@${ecr}/worker`, /no digest/],
    [`${ecr}:port/worker`, /no host name/],
    [`${ecr}/`, /no repository/],
    [`${ecr}//worker`, /separators/],
    [`${ecr}/worker?tag`, /separators/],
    [`${ecr}/${'a'.repeat(256)}`, /longer than 255/],
    ['a'.repeat(1025), /longer than 1024/],
  ])('%j is told as what it is', (text, clause) => {
    expect(explainReference(text)).toMatch(clause);
  });

  it('is explained exactly where it cannot be read', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-zA-Z0-9:/@. -]{0,40}$/)), (text) => {
        expect(explainReference(text) === undefined).toBe(parseImageReference(text) !== undefined);
      }),
    );
  });
});

describe('the name of an image', () => {
  it.each([
    [`${ecr}/team/worker:v1`, 'team/worker:v1'],
    [`${ecr}/team/worker`, 'team/worker'],
    [`${ecr}/team/worker@${digest}`, 'team/worker@sha256:0f0f0f0f0f0f'],
    [`${ecr}/team/worker:v1@${digest}`, 'team/worker:v1@sha256:0f0f0f0f0f0f'],
    ['ubuntu:24.04', 'ubuntu:24.04'],
    ['runpod/pytorch', 'runpod/pytorch'],
  ])('%s is that which its owner gave it', (text, name) => {
    const reference = parseImageReference(text);
    expect(reference && nameImage(reference)).toBe(name);
  });
});
