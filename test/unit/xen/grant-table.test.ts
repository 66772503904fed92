import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type GrantCalls, GrantTable } from '../../../src/xen/grant-table.ts';

const FRAMES = 128;

/** Xen's side of the two calls. What happens between two exchanges, `between` says. */
class FakeTable implements GrantCalls {
  readonly argument = new DataView(new ArrayBuffer(4096));
  readonly mapped = new Set<number>();
  /** What each reference grants: itself, until it is exchanged. */
  readonly shows = new Map<number, number>();
  between: () => void = () => {};
  knowsCalls = true;

  call(_number: number, command?: number, count = 0): ReturnType<GrantCalls['call']> {
    if (!this.knowsCalls) return { ok: false, errno: 'ENOSYS' };
    if (command === 6) {
      this.argument.setUint32(8, FRAMES, true);
      this.argument.setInt16(12, 0, true);
      return { ok: true, value: 0 };
    }
    for (let at = 0; at < count; at++) {
      const [a, b] = [this.argument.getUint32(at * 12, true), this.argument.getUint32(at * 12 + 4, true)];
      const busy = this.mapped.has(a) || this.mapped.has(b);
      this.argument.setInt16(at * 12 + 8, busy ? -12 : 0, true);
      if (!busy) {
        const before = this.what(a);
        this.shows.set(a, this.what(b));
        this.shows.set(b, before);
      }
      this.between();
    }
    return { ok: true, value: 0 };
  }

  what = (reference: number): number => this.shows.get(reference) ?? reference;
}

const REFERENCES = Array.from({ length: 512 }, (_, at) => 100 + at);

test('grants that nobody has mapped are not in use, and one that somebody has is', () => {
  const xen = new FakeTable();
  const table = new GrantTable(xen);
  assert.equal(table.inUse(REFERENCES), false);
  for (const one of [100, 101, 440, 441, 611]) {
    xen.mapped.add(one);
    assert.equal(table.inUse(REFERENCES), true, `${one}`);
    xen.mapped.delete(one);
  }
  assert.equal(table.inUse(REFERENCES), false);
});

test('grants that are not in use show what they showed before, whatever was mapped and let go of meanwhile', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(5), fc.boolean()), { maxLength: 60 }), (events) => {
      const xen = new FakeTable();
      const table = new GrantTable(xen);
      const references = REFERENCES.slice(0, 6);
      const left = [...events];
      xen.between = () => {
        const [which, mapped] = left.shift() ?? [0, undefined];
        if (mapped) xen.mapped.add(references[which]!);
        else if (mapped === false) xen.mapped.delete(references[which]!);
      };
      for (let look = 0; look < 8; look++) {
        if (table.inUse(references)) continue;
        for (const each of references) assert.equal(xen.what(each), each);
      }
      left.length = 0;
      xen.mapped.clear();
      assert.equal(table.inUse(references), false);
      for (const each of references) assert.equal(xen.what(each), each);
    }),
  );
});

test('the table tells how many grants there may be', () => {
  assert.equal(new GrantTable(new FakeTable()).capacity(), FRAMES * 512);
});

test('a Xen without these calls is told at once', () => {
  const xen = new FakeTable();
  xen.knowsCalls = false;
  assert.throws(() => new GrantTable(xen), /whether grants are in use[\s\S]*ENOSYS/);
});
