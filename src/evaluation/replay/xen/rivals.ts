import type { Rival } from './rival.ts';
import { memtide } from './rivals/memtide.ts';
import { qmemmanCalm } from './rivals/qmemman-calm.ts';
import { qmemmanLike } from './rivals/qmemman-like.ts';
import { staticSplit } from './rivals/static-split.ts';

/** In the order of the report. They play by turns, so that what the machine does meanwhile falls on all alike. */
export const RIVALS: readonly Rival[] = [staticSplit, qmemmanLike, memtide];
/** Played only where they are named. */
export const CONTROLS: readonly Rival[] = [qmemmanCalm];
