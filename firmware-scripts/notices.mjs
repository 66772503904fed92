/** The licences of the packages that a bundle contains: they ask to be passed on with it. */
import fs from 'node:fs';
import path from 'node:path';

/**
 * @param {readonly import('esbuild').BuildResult[]} results of builds with `metafile`.
 * @returns {string} one notice for each package.
 */
export function noticesOf(results) {
  const inputs = results.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  const packages = new Set(inputs.map((input) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1]));
  const notices = [...packages].filter(Boolean).sort().map(noticeOf);
  return notices.join(`\n${'-'.repeat(80)}\n`);
}

/** @param {string} folder of a package. */
function noticeOf(folder) {
  const { name, version, license } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const file = fs.readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
  return `${name} ${version}, ${license}\n\n${file === undefined ? '' : fs.readFileSync(path.join(folder, file), 'utf8')}`;
}
