/** What the user can do about a finding, where several checks say the same. */
import type { MachineFacts } from './facts.ts';

/** How to add an argument to the kernel's command line on this machine. */
export function kernelArgument(argument: string, { system, xen }: MachineFacts): string {
  return `${system.inContainer ? 'outside this container: ' : ''}${kernelArgumentStep(argument, system.boardModel, xen)}`;
}

function kernelArgumentStep(argument: string, boardModel: string | undefined, xen: MachineFacts['xen']): string {
  if (xen?.role === 'guest') return `add ${argument} to "extra" in the domain’s config and start the domain again`;
  if (xen?.role === 'control') return `add ${argument} to the kernel’s arguments in the Xen boot script and reboot`;
  if (boardModel?.startsWith('Raspberry Pi')) {
    return `append ${argument} to the one line of /boot/firmware/cmdline.txt (older systems: /boot/cmdline.txt) and reboot`;
  }
  return boardModel === undefined
    ? `add ${argument} to GRUB_CMDLINE_LINUX in /etc/default/grub, run update-grub and reboot`
    : `add ${argument} to the kernel’s arguments in the boot loader’s configuration and reboot`;
}

/** The optional packages are compiled when they are installed. @param missingTools named as their Debian packages. */
export const buildOptional = (missingTools: readonly string[]): string[] => [
  ...(missingTools.length > 0 ? [`apt install ${missingTools.join(' ')}`] : []),
  'npm ci',
];
