#!/usr/bin/env node
import { fileURLToPath } from 'node:url';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { VERSION } from './agent/version.ts';
import type { CommandIo } from './commands/io.ts';
import { EXIT, errorMessage, MemtideError } from './errors.ts';

/**
 * The command line: the composition root, and the only reader of argv and of the environment. Each command is loaded when
 * it is called, so that `memtide --help` costs nothing.
 */
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort(signal));

const io: CommandIo = {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  signal: interrupted.signal,
  interactive: process.stdout.isTTY === true,
  columns: process.stdout.columns ?? 80,
};
const mainModule = fileURLToPath(import.meta.url);

const number = (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('It must be a number, 0 or more.');
  return value;
};
const positive = (text: string): number => {
  const value = number(text);
  if (value === 0) throw new InvalidArgumentError('It must be above 0.');
  return value;
};

const port = (text: string): number => {
  const value = number(text);
  if (!Number.isInteger(value) || value > 65_535) throw new InvalidArgumentError('It must be a port, 0 to 65535.');
  return value;
};

const list = (text: string): number[] => text.split(',').map(positive);

let exitCode = 0;
/** Runs a command; what it returns is the exit code. */
const run = (action: () => Promise<number>): Promise<void> =>
  action().then((code) => {
    exitCode = code;
  });

const program = new Command('memtide')
  .description(
    'Moves memory between the domains of a small computer to where a burst of need is, at the latency of a local allocation.',
  )
  .version(VERSION)
  .option('--debug', 'show stack traces and causes of errors')
  .showHelpAfterError('(--help shows how it is used)')
  .enablePositionalOptions()
  .exitOverride()
  .configureHelp({ sortSubcommands: false })
  .addHelpText(
    'after',
    `
Start here:
  $ npm start                             two domains on this machine, live, for 30 seconds
  $ memtide doctor                        what this machine offers, and the mend for what is missing
  $ memtide bench --quick                 inter-domain memory against local allocations, in 45 seconds`,
  );

const runDirOption = () =>
  new Option('--run-dir <dir>', 'where the agents of this machine meet').env('MEMTIDE_RUN_DIR');

program
  .command('start')
  .description('two domains on this machine, a recording replayed in one of them, a live view, a table at the end')
  .option('--duration <seconds>', 'how long', positive, 30)
  .option('--forever', 'until Ctrl-C')
  .option('--mode <mode>', 'hypervisor (reserve, pool, peers) or split (peers only)', 'hypervisor')
  .option('--log-dir <dir>', 'where the drive log goes (default: a new folder)')
  .option('--json', 'the table as JSON')
  .addHelpText('after', '\nExamples:\n  $ memtide start\n  $ memtide start --duration 120 --mode split')
  .action((options) =>
    run(async () => (await import('./commands/start.ts')).startCommand({ ...options, mainModule }, io)),
  );

program
  .command('agent')
  .description('run the agent of the control domain (back end) or of one domain')
  .addOption(new Option('--role <role>', 'which one').choices(['backend', 'domain']))
  .option('--domain <name>', 'the domain, as named in the configuration; implies --role domain')
  .option('--config <file>', 'configuration (memtide config schema lists its keys)')
  .addOption(runDirOption())
  .addHelpText(
    'after',
    '\nExamples:\n  $ memtide agent --role backend --config memtide.json\n  $ memtide agent --domain infotainment --config memtide.json',
  )
  .action((options) =>
    run(async () => {
      const role = options.role ?? (options.domain === undefined ? undefined : 'domain');
      if (role === undefined) {
        throw new MemtideError({
          operation: 'start an agent',
          expected: '--role backend, or --domain NAME',
          remedy: 'start the back end first, then one agent for each domain',
          exitCode: EXIT.usage,
        });
      }
      return (await import('./commands/agent.ts')).agentCommand({ ...options, role }, io);
    }),
  );

program
  .command('status')
  .description('what runs here: agents, domains and their memory by tier, arena, broker')
  .addOption(runDirOption())
  .option('--config <file>', 'the configuration that the agents run with')
  .option('--json', 'for programs')
  .addHelpText('after', '\nExamples:\n  $ memtide status\n  $ memtide status --config memtide.json --json')
  .action((options) => run(async () => (await import('./commands/status.ts')).statusCommand(options, io)));

program
  .command('guest')
  .description('guests of Xen (dom0 only)')
  .addHelpText('after', '\nExamples:\n  $ memtide guest create /etc/xen/cluster.cfg')
  .command('create')
  .argument('<config>', 'a domain config, as xl reads it')
  .description('have the back end collect what the guest’s creation needs, then xl create')
  .addOption(runDirOption())
  .option('--wait <s>', 'how long to wait for the memory', positive, 30)
  .addHelpText('after', '\nExamples:\n  $ memtide guest create cluster.cfg --wait 60')
  .action((file: string, options) =>
    run(async () => (await import('./commands/guest.ts')).guestCreateCommand({ ...options, file }, io)),
  );

program
  .command('dashboard')
  .description('a page in the browser: memory, bursts and latency, live; and replay of recorded drives')
  .option('--broker <url>', 'mqtt://HOST[:PORT] or mqtts://… (default: of the configuration, or of the back end here)')
  .option('--host <address>', 'where to listen; beyond this machine a token is required', '127.0.0.1')
  .option('--port <n>', '0 takes any free one', port, 8420)
  .option(
    '--drives <dir>',
    'recorded drives that the page may open, beside those in log_dir of the configuration',
    'drives',
  )
  .option('--config <file>', 'the configuration that the agents run with')
  .addOption(runDirOption())
  .option('--vehicle <name>', 'whose (default: the first that is heard)')
  .option('--username <name>', 'for the broker')
  .option('--password-file <file>', 'its first line is the password')
  .option('--ca-file <file>', 'PEM of the certificate authority of an mqtts broker')
  .addHelpText(
    'after',
    '\nExamples:\n  $ memtide dashboard\n  $ memtide dashboard --broker mqtt://192.168.1.7 --host 0.0.0.0 --drives drives',
  )
  .action((options) => run(async () => (await import('./commands/dashboard.ts')).dashboardCommand(options, io)));

program
  .command('run')
  .description('start a program in a domain, under its budget')
  .requiredOption('--domain <name>', 'the domain')
  .addOption(runDirOption())
  .option('-q, --quiet', 'say nothing about the budget')
  .argument('<command...>', 'the program and its arguments, after --')
  .passThroughOptions()
  .addHelpText('after', '\nExamples:\n  $ memtide run --domain infotainment -- ffmpeg -i in.mp4 out.mkv')
  .action((command: [string, ...string[]], options) =>
    run(async () =>
      (await import('./commands/run.ts')).runCommand({ ...options, quiet: options.quiet === true, command }, io),
    ),
  );

program
  .command('record')
  .description('follow the memory of any program, children included, into a recording')
  .option('-o, --out <file>', 'the recording (default: named after the program and the date)')
  .option('--interval-ms <n>', 'time between readings', positive, 10)
  .option('--csv', 'plain CSV with the header time_s,bytes')
  .option('--note <text>', 'free text for the header')
  .argument('<command...>', 'the program and its arguments, after --')
  .passThroughOptions()
  .addHelpText('after', '\nExamples:\n  $ memtide record -o build.memtide.csv -- make -j4')
  .action((command: string[], options) =>
    run(async () =>
      (await import('./commands/record.ts')).recordCommand(
        { ...options, command, intervalMillis: options.intervalMs, csv: options.csv === true },
        io,
      ),
    ),
  );

program
  .command('recordings')
  .description('the recordings that ship with memtide (or FILES): their bursts, and how well the detector sees them')
  .argument('[files...]')
  .option('--json', 'for programs')
  .addHelpText('after', '\nExamples:\n  $ memtide recordings\n  $ memtide recordings build.memtide.csv --json')
  .action((files: string[], options) =>
    run(async () =>
      (await import('./commands/recordings.ts')).recordingsCommand({ files, json: options.json === true }, io),
    ),
  );

program
  .command('replay')
  .description('play a recording as an application of a domain')
  .argument('[recording]', 'a file, or the name of one that ships (memtide recordings)')
  .requiredOption('--domain <name>', 'the domain that plays it')
  .addOption(runDirOption())
  .option('--speed <x>', 'faster or slower than it was recorded', positive, 1)
  .option('--scale <x>', 'all sizes times this', positive)
  .option('--peak-mib <n>', 'scale so that the peak is this', positive)
  .option('--loop', 'again and again')
  .option('--local', 'with malloc instead of memtide, for comparison')
  .option('--json', 'for programs')
  .addHelpText('after', '\nExamples:\n  $ memtide replay video-transcode --domain infotainment --loop')
  .action((recording: string | undefined, options) =>
    run(async () => (await import('./commands/replay.ts')).replayCommand({ ...options, recording }, io)),
  );

program
  .command('bench')
  .description('measure inter-domain memory against local allocations on this machine')
  .option('--quick', 'fewer rounds: at most 45 seconds')
  .option('--curve', 'burst latency against idle memory, beside the static split, on each recording that ships')
  .option('--loaded', 'scheduler constructs and tiers beside programs that keep the CPUs busy, and without them')
  .option('--pressure', 'the warm pool and the tiers where memory is short (a cgroup, and swap for the time of it)')
  .addOption(
    new Option('--domains', 'what one back end costs with 2, 4, 8 … 64 domains').conflicts([
      'curve',
      'loaded',
      'pressure',
    ]),
  )
  .option('--xen <address>', 'in a guest of Xen: every way in which it comes to memory; ADDRESS:PORT of --xen-dom0')
  .option('--xen-donor <address>', 'in another guest, beside it: gives what dom0 asks for')
  .option('--xen-dom0 <address>', 'in dom0, beside them: ADDRESS:PORT to listen at, on the bridge between the domains')
  .option('--xen-replay <file>', 'in dom0: recordings played in two guests under every rival, as the file says')
  .option('--sizes-mib <sizes>', 'with --xen: other sizes than 2,8,32,128', list)
  .option('--cases <names>', 'with --xen, --xen-replay: these only', (text: string) => text.split(','))
  .option('--rounds <n>', 'with --xen, --xen-replay: how often each is taken', positive)
  .option('--minutes <n>', 'with --xen: what has been taken after that long is the result', positive)
  .option('--json', 'the rows, for programs')
  .addHelpText(
    'after',
    `
Examples:
  $ memtide bench --quick
  $ memtide bench --json > bench.json
  $ memtide bench --loaded --quick        what real time buys the fast plane on this machine, in a minute
  $ memtide bench --curve --quick         how much idle memory buys which latency, in a minute
  $ memtide bench --domains --quick       claims, handshakes and the back end's CPU by the number of domains`,
  )
  .action((options) =>
    run(async () => {
      const how = { quick: options.quick === true, json: options.json === true };
      if (options.xen ?? options.xenDonor ?? options.xenDom0 ?? options.xenReplay)
        return (await import('./commands/bench-xen.ts')).benchXenCommand({ ...options, ...how }, io);
      if (options.curve) return (await import('./commands/bench-curve.ts')).benchCurveCommand(how, io);
      if (options.pressure) return (await import('./commands/bench-pressure.ts')).benchPressureCommand(how, io);
      if (options.loaded) return (await import('./commands/bench-loaded.ts')).benchLoadedCommand(how, io);
      if (options.domains) return (await import('./commands/bench-domains.ts')).benchDomainsCommand(how, io);
      return (await import('./commands/bench.ts')).benchCommand(how, io, mainModule);
    }),
  );

program
  .command('doctor')
  .description('what this machine offers memtide, and the mend for what is missing')
  .option('--json', 'for programs')
  .addHelpText('after', '\nExamples:\n  $ memtide doctor\n  $ memtide doctor --json')
  .action((options) => run(async () => (await import('./commands/doctor.ts')).doctorCommand(options, io)));

const config = program
  .command('config')
  .description('the configuration: its keys, whether a file is right, what it comes to')
  .addHelpText('after', '\nExamples:\n  $ memtide config schema\n  $ memtide config check memtide.json');
config
  .command('schema')
  .description('every key with its accepted form, default and reason')
  .option('--json', 'as JSON Schema')
  .addHelpText(
    'after',
    '\nExamples:\n  $ memtide config schema\n  $ memtide config schema --json > memtide.schema.json',
  )
  .action((options) => run(async () => (await import('./commands/config.ts')).configSchemaCommand(options, io)));
config
  .command('check')
  .argument('<file>')
  .description('whether a file is a valid configuration')
  .addHelpText('after', '\nExamples:\n  $ memtide config check memtide.json')
  .action((file: string) => run(async () => (await import('./commands/config.ts')).configCheckCommand({ file }, io)));
config
  .command('show')
  .argument('[file]')
  .description('the effective configuration, defaults filled in')
  .addHelpText('after', '\nExamples:\n  $ memtide config show > memtide.json')
  .action((file: string | undefined) =>
    run(async () => (await import('./commands/config.ts')).configShowCommand(file === undefined ? {} : { file }, io)),
  );

const drive = program
  .command('drive')
  .description('what vehicles reported, kept in files: record, look through, export')
  .addHelpText(
    'after',
    `
Examples:
  $ memtide drive record --dir drives
  $ memtide drive list drives
  $ memtide drive export drives/demo-20261125T071011.drive.jsonl -o drive.csv
  $ memtide drive prune drives --keep-mib 4096 --dry-run`,
  );
drive
  .command('record')
  .description('record what agents report, and confirm it to their spools, until Ctrl-C')
  .option('--dir <dir>', 'where drives go; made if missing', 'drives')
  .option('--broker <url>', 'mqtt://HOST[:PORT] or mqtts://… (default: of the configuration, or of the back end here)')
  .option('--config <file>', 'the configuration that the agents run with')
  .addOption(runDirOption())
  .option('--vehicle <name>', 'only of this vehicle')
  .option('--username <name>', 'for the broker')
  .option('--password-file <file>', 'its first line is the password')
  .option('--ca-file <file>', 'PEM of the certificate authority of an mqtts broker')
  .option('--cap-mib <n>', 'the oldest drives go when the folder is larger', positive)
  .addHelpText('after', '\nExamples:\n  $ memtide drive record --dir /var/lib/memtide/drives --cap-mib 8192')
  .action((options) => run(async () => (await import('./commands/drive.ts')).driveRecordCommand(options, io)));
drive
  .command('list')
  .argument('[dir]', 'a folder of drives', 'drives')
  .description('the drives of a folder: when, how long, how many bursts and marks, what was lost')
  .option('--json', 'for programs')
  .addHelpText('after', '\nExamples:\n  $ memtide drive list\n  $ memtide drive list drives --json')
  .action((dir: string, { json }) =>
    run(async () => (await import('./commands/drive.ts')).driveListCommand({ dir, json: json === true }, io)),
  );
drive
  .command('export')
  .argument('<file>', 'a drive')
  .description('a drive as CSV, with its times put right')
  .option('-o, --out <file>', 'where to (default: standard output)')
  .option(
    '--report <name>',
    'only one kind: tele/mem, tele/psi, tele/alloc, event/burst, event/mark, event/gap, state, info',
  )
  .addHelpText(
    'after',
    '\nExamples:\n  $ memtide drive export drives/demo-20261125T071011.drive.jsonl --report event/burst',
  )
  .action((file: string, options) =>
    run(async () => (await import('./commands/drive.ts')).driveExportCommand({ ...options, file }, io)),
  );
drive
  .command('prune')
  .argument('[dir]', 'a folder of drives', 'drives')
  .description('remove the oldest drives; what was written to in the last quarter of an hour stays')
  .option('--keep-days <n>', 'keep those that were written to within so many days', positive)
  .option('--keep-mib <n>', 'keep so much', positive)
  .option('--dry-run', 'only show what would go')
  .addHelpText('after', '\nExamples:\n  $ memtide drive prune --keep-days 90 --keep-mib 4096 --dry-run')
  .action((dir: string, options) =>
    run(async () =>
      (await import('./commands/drive.ts')).drivePruneCommand({ ...options, dir, dryRun: options.dryRun === true }, io),
    ),
  );

const telemetry = program
  .command('telemetry')
  .description('what agents say over MQTT')
  .addHelpText('after', '\nExamples:\n  $ memtide telemetry schema');
telemetry
  .command('schema')
  .description('every message, as JSON Schema')
  .addHelpText('after', '\nExamples:\n  $ memtide telemetry schema > memtide-wire.schema.json')
  .action(() => run(async () => (await import('./commands/telemetry.ts')).telemetrySchemaCommand(io)));

try {
  await program.parseAsync(process.argv);
} catch (error) {
  exitCode = report(error);
}
process.exitCode = exitCode;

/** Tells the user what is wrong, without a stack trace unless it was asked for. @returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // Help and version end here too; commander has printed what there is to say.
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  const debug = program.opts().debug === true;
  const known = error instanceof MemtideError;
  process.stderr.write(`memtide: ${errorMessage(error)}\n`);
  if (debug && error instanceof Error)
    process.stderr.write(`${error.stack}\n${error.cause ? `caused by: ${String(error.cause)}\n` : ''}`);
  else if (!known) process.stderr.write('  this is a fault of memtide; --debug shows where\n');
  return known ? error.exitCode : EXIT.internal;
}
