/** Checks of pressure readings, priorities and clocks. */
import { raiseLimit } from '../coordination/raise-limit.ts';
import { type Check, degraded, missing, notApplicable, ok } from './check.ts';
import { kernelArgument } from './mends.ts';
import { hasCapability } from './rights-facts.ts';

/** What the fast plane asks for: the defaults of fast_plane.nice and fast_plane.fifo_priority. */
const WANTED_NICE = -15;
const WANTED_REALTIME_PRIORITY = 10;

export const RIGHTS_CHECKS: readonly Check[] = [
  {
    id: 'psi',
    area: 'Pressure',
    title: 'Pressure stall information',
    judge: (facts) => {
      const { psi } = facts.pressure;
      if (psi.ok) return ok(`some ${psi.psi.someAvg10Percent} % of the last 10 s`);
      return missing(psi.reason, 'bursts are seen by watermarks and rise rate only; stalls are not', [
        kernelArgument('psi=1', facts),
      ]);
    },
  },
  {
    id: 'psi-trigger',
    area: 'Pressure',
    title: 'Told of stalls by the kernel',
    judge: ({ pressure: { watch, psi } }) => {
      const seconds = watch.windowMicros / 1e6;
      if (watch.method === 'trigger' && seconds <= 1) return ok(`within a window of ${seconds} s`);
      if (!psi.ok || watch.method === 'none') {
        return notApplicable('there is no pressure stall information');
      }
      const grant =
        'give CAP_SYS_RESOURCE: setcap cap_sys_resource+ep on a node of memtide’s own, or systemd’s AmbientCapabilities=';
      if (watch.method === 'trigger') {
        return degraded(`within a window of ${seconds} s`, 'the backstop comes a second later', [grant]);
      }
      return degraded(watch.reason ?? 'polled', 'the totals are read ten times a second instead, which costs CPU', [
        grant,
      ]);
    },
  },
  {
    id: 'nice',
    area: 'Rights',
    title: `Niceness ${WANTED_NICE} for the fast plane`,
    judge: ({ rights }) => {
      // An agent that leads its session, as a service does, sets the session's niceness as well.
      const groups = rights.sessionGroups ? '; of use to agents that lead a session, for sessions are groups here' : '';
      if (hasCapability(rights, 'SYS_NICE')) return ok(`allowed (CAP_SYS_NICE)${groups}`);
      // RLIMIT_NICE n allows a niceness down to 20 - n (getrlimit(2)).
      const best = 20 - (rights.nice?.soft ?? 0);
      if (best <= WANTED_NICE) return ok(`allowed down to ${Math.max(best, -20)}${groups}`);
      return degraded('not allowed', LATE_WAKE_UPS, [raiseLimit('nice')]);
    },
  },
  {
    id: 'realtime',
    area: 'Rights',
    title: 'Real-time scheduling (SCHED_FIFO)',
    judge: ({ rights }) => {
      if (hasCapability(rights, 'SYS_NICE')) return ok('allowed (CAP_SYS_NICE)');
      const highest = rights.realtimePriority?.soft ?? 0;
      if (highest >= WANTED_REALTIME_PRIORITY) return ok(`allowed up to ${highest}`);
      return degraded(
        'not allowed',
        'fast planes run by niceness alone, and answer late beside busy programs (memtide bench --loaded)',
        [raiseLimit('rtprio')],
      );
    },
  },
  {
    id: 'clock-synchronised',
    area: 'Clock',
    title: 'Clock synchronised',
    judge: ({ clock: { synchronised } }) => {
      if (!synchronised.known) return degraded(synchronised.reason, 'records carry no word on it');
      if (synchronised.synced) return ok('yes');
      return degraded('no', 'records are marked unsynced; the export corrects those of a drive that syncs later', [
        'timedatectl set-ntp true, or install chrony',
      ]);
    },
  },
  {
    id: 'real-time-clock',
    area: 'Clock',
    title: 'Real-time clock',
    judge: ({ clock: { realTimeClock }, system, xen }) => {
      if (realTimeClock !== undefined) return ok(realTimeClock);
      // Virtual machines and guests are given the time by their host.
      if (system.boardModel === undefined || xen?.role === 'guest')
        return notApplicable('none, as in virtual machines');
      return degraded('none', 'after a cold start the date is wrong until the network has set it', [
        'fit a DS3231 (Raspberry Pi: dtoverlay=i2c-rtc,ds3231)',
      ]);
    },
  },
];

const LATE_WAKE_UPS = 'a fast plane that is refused or has lost real time wakes up late beside busy programs';
