import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { palette, wantsColour } from '../../../src/demo/palette.ts';
import { Screen } from '../../../src/demo/screen.ts';

function screen() {
  const out = new PassThrough();
  return { screen: new Screen(out), written: () => String(out.read() ?? '') };
}

describe('the screen', () => {
  it('gives the terminal back as it was, once', () => {
    const { screen: it, written } = screen();
    it.open();
    it.close();
    it.close();
    assert.equal(written(), '\u001b[?1049h\u001b[?25l\u001b[?25h\u001b[?1049l');
  });

  it('redraws in place and never scrolls', () => {
    const { screen: it, written } = screen();
    it.open();
    written();
    it.draw(['one', 'two', 'three'], 2);
    assert.equal(written(), '\u001b[Hone\u001b[K\r\ntwo\u001b[K\u001b[J');
  });

  it('draws nothing before it is open and after it is closed', () => {
    const { screen: it, written } = screen();
    it.draw(['x'], 10);
    it.close();
    assert.equal(written(), '');
  });
});

describe('colour', () => {
  it('is for terminals, and not against NO_COLOR', () => {
    assert.equal(wantsColour(true, {}), true);
    assert.equal(wantsColour(false, {}), false);
    assert.equal(wantsColour(true, { NO_COLOR: '1' }), false);
    assert.equal(wantsColour(true, { NO_COLOR: '' }), true);
    assert.equal(wantsColour(true, { TERM: 'dumb' }), false);
  });

  it('leaves text alone when it is off', () => {
    const { domain, strong, faint, good, bad } = palette(false);
    assert.deepEqual([domain(0, 'a'), strong('a'), faint('a'), good('a'), bad('a')], ['a', 'a', 'a', 'a', 'a']);
    assert.notEqual(palette(true).bad('a'), 'a');
  });
});
