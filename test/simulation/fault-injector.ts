/** Makes things go wrong, each by its name, as often as the scenario says. */
import { Agent, type Domain } from './domain.ts';
import { MUTATIONS, mutate } from './hostile-domain.ts';
import type { Process } from './process.ts';
import type { World } from './world.ts';

const SLOW = 0.02;
/** A dead process has a successor after this long. */
const RESTART_MICROS = [100, 200_000] as const;
const LONGEST_JUMP_MICROS = 3_600_000_000;

export class FaultInjector {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  turn(): void {
    const { random, scenario, backend, domains } = this.#world;
    const { faults } = scenario;
    const happens = (chance: number | undefined): boolean => chance !== undefined && random.chance(chance);
    const domain = random.pick(domains);
    const { agent } = domain;
    const application = random.pick(domain.applications);
    if (happens(faults.killApplication)) this.kill(application.process);
    if (happens(faults.killAgent)) this.kill(agent.process);
    if (happens(faults.killBackend)) this.kill(backend.process);
    if (happens(faults.stopApplication)) this.stop(application.process);
    if (happens(faults.stopAgent)) this.stop(agent.process);
    if (happens(faults.stopBackend)) this.stop(backend.process);
    if (happens(faults.slow)) this.#slow(random.pick([backend.process, agent.process, application.process]));
    if (happens(faults.clockJump)) this.#jump();
    if (happens(faults.hostile)) mutate(domains[0]!, random.pick(faults.mutations ?? MUTATIONS));
  }

  /** Nothing is wrong any more. */
  end(): void {
    const { backend, domains, now } = this.#world;
    const all = domains.flatMap(({ agent, applications }) => [
      agent.process,
      ...applications.map((one) => one.process),
    ]);
    for (const process of [backend.process, ...all]) {
      process.stoppedUntil = Math.min(process.stoppedUntil, now);
      process.speed = 1;
      process.disturbedUntil = Math.min(process.disturbedUntil, now);
    }
  }

  /** kill -9. @returns whether there was somebody to kill. */
  kill(process: Process): boolean {
    const { backend } = this.#world;
    if (!process.alive) return false;
    this.#world.tally.deaths++;
    this.#world.note(process.name, 'is killed');
    process.alive = false;
    process.onDeath();
    if (process === backend.process) this.#world.after(this.#restartDelay(), () => this.#world.startBackend());
    for (const domain of this.#world.domains) {
      if (domain.agent.process === process) this.#world.after(this.#restartDelay(), () => this.#restartAgent(domain));
      const index = domain.applications.findIndex((application) => application.process === process);
      if (index >= 0) {
        domain.applications.splice(index, 1);
        this.#world.startApplication(domain);
      }
    }
    this.#world.gatherThreads();
    return true;
  }

  /** SIGSTOP, and SIGCONT after a while. */
  stop(process: Process): void {
    const { random, now, scenario } = this.#world;
    if (!process.alive || process.stoppedUntil > now) return;
    this.#world.tally.stops++;
    const [shortest, longest] = scenario.faults.stoppedMicros ?? [1000, 5_000_000];
    process.stoppedUntil = now + random.spread(shortest, longest);
    process.disturbedUntil = Math.max(process.disturbedUntil, process.stoppedUntil);
    this.#world.note(process.name, `is stopped until ${(process.stoppedUntil / 1000).toFixed(3)} ms`);
  }

  #slow(process: Process): void {
    const slow = process.speed === 1;
    process.speed = slow ? SLOW : 1;
    process.disturbedUntil = slow ? Number.POSITIVE_INFINITY : Math.max(this.#world.now, process.stoppedUntil);
    this.#world.note(process.name, slow ? 'becomes slow' : 'is itself again');
  }

  #jump(): void {
    const world = this.#world;
    world.clock.advanceMicros(world.random.spread(1000, LONGEST_JUMP_MICROS));
    world.clock.stepWallMillis(world.random.between(-1e9, 1e9));
    world.disturbedUntil = world.now;
    world.note('the clock', 'jumps');
  }

  #restartAgent(domain: Domain): void {
    domain.agent = new Agent(domain);
    domain.agent.process.disturbedUntil = this.#world.now;
    this.#world.note(domain.agent.process.name, 'starts again');
    this.#world.gatherThreads();
  }

  #restartDelay(): number {
    return this.#world.random.spread(...RESTART_MICROS);
  }
}
