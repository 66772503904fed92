/**
 * What `npm run test:xen` runs, in one process and in this order: starting Node takes ten seconds and more on the emulated
 * board. Death ends the program in the guest that those before it share; two programs at once would make the guest swap its
 * own code. Agents come after it: those that lend, then those that move reservations, each shared by what needs them. What
 * takes its time to kill, and what changes the board's scheduler, are parts by name.
 */
import './grants.test.ts';
import './control-file.test.ts';
import './doorbell.test.ts';
import './round-trip.test.ts';
import './balloon.test.ts';
import './memory-books.test.ts';
import './low-memory.test.ts';
import './gpio.test.ts';
import './kernel-trace.test.ts';
import './death.test.ts';
import './doctor.test.ts';
import './leases.test.ts';
import './reservations.test.ts';
