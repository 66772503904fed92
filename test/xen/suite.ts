/**
 * The whole Xen suite in one process, in this order: starting Node takes ten seconds and more on the emulated board. Death
 * ends the program in the guest that those before it share; two programs at once would make the guest swap its own code.
 */
import './grants.test.ts';
import './control-file.test.ts';
import './doorbell.test.ts';
import './round-trip.test.ts';
import './balloon.test.ts';
import './memory-books.test.ts';
import './gpio.test.ts';
import './kernel-trace.test.ts';
import './death.test.ts';
import './leases.test.ts';
import './doctor.test.ts';
