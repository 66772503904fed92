/** Xen's counts by the toolstack, over a toolstack that refuses what xl refuses. The real one: test/xen. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mebibytes } from '../../../src/units.ts';
import { XlBooks } from '../../../src/xen/xl-books.ts';
import { fakeXl } from '../../fakes/xl.ts';

const GUESTS = { 1: ['cluster', 256], 7: ['infotainment', 180] } as const;
const machine = (test: Parameters<typeof fakeXl>[0]) => {
  const fake = fakeXl(test, { freeMib: 704, guests: { 1: [...GUESTS[1]], 7: [...GUESTS[7]] } });
  const writeTarget = async (domid: number, kib: number): Promise<void> => fake.write(`${domid}.target`, kib);
  return { ...fake, books: new XlBooks({ xl: fake.xl, writeTarget }) };
};

test('tells the free heap and what a guest holds; of a cap it knows only what it has set', async (t) => {
  const { books } = machine(t);
  assert.equal(await books.freeBytes(), mebibytes(704));
  assert.deepEqual(await books.domain(7), { heldBytes: mebibytes(180) });
  assert.equal(await books.setCap(7, mebibytes(200)), true);
  assert.deepEqual(await books.domain(7), { heldBytes: mebibytes(180), capBytes: mebibytes(200) });
});

test('a cap below the target that xenstore knew of: the target is lowered, else the toolstack refuses', async (t) => {
  const { books, read, write, xl } = machine(t);
  write('7.target', 256 * 1024);
  assert.notEqual((await xl(['mem-max', '7', '200'])).code, 0);
  assert.equal(await books.setCap(7, mebibytes(200)), true);
  assert.equal(read('7.max'), '200');
  assert.equal(read('7.target'), String(180 * 1024));
});

test('a guest that moves as it was asked is sent nowhere else: the target is lowered to its goal, once', async (t) => {
  const { books, read, write } = machine(t);
  write('7.target', 256 * 1024);
  await books.setCap(7, mebibytes(180), mebibytes(120));
  assert.equal(read('7.target'), String(120 * 1024));
  write('7.target', 119 * 1024); // as a mark
  write('7', 'infotainment 150');
  await books.setCap(7, mebibytes(150), mebibytes(120));
  assert.deepEqual([read('7.max'), read('7.target')], ['150', String(119 * 1024)]);
});

test('a domain that is not there is told as absent; what is remembered of it is forgotten', async (t) => {
  const { books, write, read } = machine(t);
  assert.equal(await books.domain(3), undefined);
  assert.equal(await books.setCap(3, mebibytes(64)), false);
  assert.match(read('log'), /^xl list 3$/m);
  write('free', 'nonsense');
  await assert.rejects(books.freeBytes(), /a number of MiB/);
});

test('without a toolstack: an error that says what to do', async () => {
  const xl = async (): Promise<never> => {
    throw new Error('spawn xl ENOENT');
  };
  const books = new XlBooks({ xl, writeTarget: async () => {} });
  await assert.rejects(books.freeBytes(), /install Xen’s tools/);
});
