import fs from 'node:fs';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { bytes, KIB, MIB } from '../../../units.ts';
import { XenDomains } from '../../../xen/domains.ts';
import { HypercallBooks } from '../../../xen/hypercall-books.ts';
import { COUNTING_SLACK, type MemoryBooks } from '../../../xen/memory-books.ts';
import { openXenstore } from '../../../xen/xenstore/open.ts';
import { Xenstore } from '../../../xen/xenstore/xenstore.ts';
import { runXl } from '../../../xen/xl.ts';
import { QMEMMAN_CACHE_FACTOR, QMEMMAN_PERIOD_MILLIS } from '../../rivals/qmemman.ts';
import { DomainCounter } from './domain-counts.ts';
import { Peer } from './peer.ts';

const COUNT_MILLIS = 2;
const DONOR_MILLIS = 120_000;

interface Sized {
  readonly bytes: number;
}

/** The bench's program in dom0: does what toolstacks and back ends do, for one guest, with another one as donor. */
export class BenchDom0 {
  readonly #store: Xenstore;
  readonly #books: MemoryBooks;
  readonly #server: net.Server;
  #donor: { readonly peer: Peer; readonly domid: number } | undefined;
  #given = 0;
  #used = 0;
  #loop: NodeJS.Timeout | undefined;
  #counter: DomainCounter | undefined;

  private constructor(store: Xenstore) {
    this.#store = store;
    this.#books = new HypercallBooks();
    this.#server = net.createServer((socket) => this.#accept(socket));
  }

  static async listen(host: string, port: number): Promise<BenchDom0> {
    const store = new Xenstore({ open: () => openXenstore() });
    await store.start();
    const dom0 = new BenchDom0(store);
    await new Promise<void>((resolve, reject) => {
      dom0.#server.once('error', reject);
      dom0.#server.listen(port, host, resolve);
    });
    return dom0;
  }

  async stop(): Promise<void> {
    clearInterval(this.#loop);
    this.#counter?.close();
    this.#donor?.peer.end();
    await new Promise((resolve) => this.#server.close(resolve));
    await this.#store.close();
    this.#books.close();
  }

  #accept(socket: net.Socket): void {
    let domid = -1;
    const name = { now: '' };
    const target = (): string => `/local/domain/${domid}/memory/target`;
    const writeTarget = (to: number): Promise<void> => this.#store.write(target(), String(Math.round(to / KIB)));
    const peer = new Peer(socket, {
      hello: async ({ domain, role }: { domain: string; role: 'donor' | 'recipient' }) => {
        domid = await new XenDomains(this.#store).domidOf(domain);
        name.now = domain;
        if (role === 'donor') this.#donor = { peer, domid };
        return { domid, machine: machineModel() };
      },
      setCap: ({ bytes: cap }: Sized) => this.#books.setCap(domid, bytes(cap + COUNTING_SLACK)),
      // The kernel acts upon a change of the node: it must stand where the guest is, and no further away.
      mirrorTarget: ({ bytes: to }: Sized) => writeTarget(to),
      writeTarget: ({ bytes: to }: Sized) => writeTarget(to),
      memSet: async ({ bytes: to }: Sized) => {
        const { code, output } = await runXl(['mem-set', name.now, `${Math.round(to / MIB)}m`]);
        if (code !== 0) throw new Error(output.trim());
      },
      refillDonor: () => this.#refillDonor(),
      countOpen: () => {
        this.#counter?.close();
        this.#counter = DomainCounter.open();
      },
      countStart: () => this.#counter!.start(),
      countStop: () => this.#counter!.stop(),
      countClose: () => {
        this.#counter?.close();
        this.#counter = undefined;
      },
      split: ({ bytes: by }: Sized) => this.#split(domid, by),
      qmemmanUse: ({ usedBytes }: { usedBytes: number }) => {
        this.#used = usedBytes;
      },
      qmemmanStart: () => {
        let told = 0;
        this.#loop = setInterval(() => {
          const to = this.#used * QMEMMAN_CACHE_FACTOR;
          if (Math.abs(to - told) < MIB) return;
          told = to;
          void writeTarget(to);
        }, QMEMMAN_PERIOD_MILLIS);
      },
      qmemmanStop: () => clearInterval(this.#loop),
    });
  }

  async #split(recipient: number, by: number): Promise<void> {
    const donor = this.#donor;
    if (!donor) throw new Error('no donor: run memtide bench --xen-donor in another guest');
    const before = await this.#held(donor.domid);
    const own = await this.#held(recipient);
    // What the donor says ends the waiting; what it gave is Xen's to say.
    await donor.peer.call('give', { bytes: by });
    for (let waited = 0; before - (await this.#held(donor.domid)) < by - COUNTING_SLACK; waited += COUNT_MILLIS) {
      if (waited > DONOR_MILLIS) throw new Error('the donor claims to have given what Xen does not have');
      await sleep(COUNT_MILLIS);
    }
    this.#given += by;
    await this.#books.setCap(recipient, bytes(own + by + COUNTING_SLACK));
  }

  async #refillDonor(): Promise<void> {
    if (!this.#donor || this.#given === 0) return;
    const { peer, domid } = this.#donor;
    await this.#books.setCap(domid, bytes((await this.#held(domid)) + this.#given + COUNTING_SLACK));
    await peer.call('take', { bytes: this.#given });
    this.#given = 0;
  }

  async #held(domid: number): Promise<number> {
    return (await this.#books.domain(domid))?.heldBytes ?? 0;
  }
}

/** As the firmware's device tree, or its DMI, calls the machine. */
function machineModel(): string {
  for (const file of ['/proc/device-tree/model', '/sys/class/dmi/id/product_name']) {
    if (fs.existsSync(file)) return fs.readFileSync(file, 'utf8').replaceAll('\0', '').trim();
  }
  return 'unknown';
}
