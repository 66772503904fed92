/** Ways to a recorded drive: dropped onto the page, picked from this computer, or opened from the server's list. */
import { formatBytes } from '../../units.ts';
import { quantity, text } from './data/fields.ts';
import { clockText, plainText } from './data/words.ts';
import { byId, make } from './dom.ts';
import type { OpenStreams } from './read-lines.ts';

/** A drive that can be read, more than once. */
export interface DriveToOpen {
  readonly name: string;
  readonly bytes: number;
  readonly open: OpenStreams;
}

export class OpenDrive {
  readonly #onDrive: (drive: DriveToOpen) => void;
  readonly #dialog = byId<HTMLDialogElement>('drives');

  constructor(onDrive: (drive: DriveToOpen) => void) {
    this.#onDrive = onDrive;
    const input = byId<HTMLInputElement>('file');
    input.addEventListener('change', () => {
      this.#take(input.files);
      input.value = '';
    });
    byId('drives-pick').addEventListener('click', () => {
      this.#dialog.close();
      input.click();
    });
    byId('drives-close').addEventListener('click', () => this.#dialog.close());
    this.#listenToDrops();
  }

  /** Shows the drives that the server has, and a way to others. */
  async ask(): Promise<void> {
    byId('drives-list').replaceChildren();
    byId('drives-empty').hidden = true;
    this.#dialog.showModal();
    const listed = await fetch('/drives')
      .then((response): Promise<unknown> => (response.ok ? response.json() : Promise.resolve([])))
      .catch(() => []);
    const drives = Array.isArray(listed) ? (listed as Readonly<Record<string, unknown>>[]) : [];
    byId('drives-empty').hidden = drives.length > 0;
    byId('drives-list').replaceChildren(
      ...drives.map((drive) => {
        const name = text(drive.name) ?? '';
        const bytes = quantity(drive.bytes) ?? 0;
        const modified = new Date(quantity(drive.modifiedMillis) ?? 0);
        const day = modified.toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
        const button = make(
          'button',
          {},
          make('span', {}, plainText(name, 80)),
          make('small', {}, `${day}, ${clockText(modified.getTime()).slice(0, 5)}`),
          make('small', {}, formatBytes(bytes)),
        );
        button.addEventListener('click', () => {
          this.#dialog.close();
          this.#onDrive({ name, bytes, open: () => fetchDrive(name) });
        });
        return make('li', {}, button);
      }),
    );
  }

  #listenToDrops(): void {
    const veil = byId('drop');
    let depth = 0;
    const carriesFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
    addEventListener('dragenter', (event) => {
      if (!carriesFiles(event)) return;
      depth++;
      veil.hidden = false;
    });
    addEventListener('dragleave', () => {
      depth = Math.max(0, depth - 1);
      veil.hidden = depth === 0;
    });
    addEventListener('dragover', (event) => {
      if (carriesFiles(event)) event.preventDefault();
    });
    addEventListener('drop', (event) => {
      depth = 0;
      veil.hidden = true;
      if (!carriesFiles(event)) return;
      event.preventDefault();
      this.#take(event.dataTransfer?.files);
    });
  }

  /** Several files are one drive: the logs of its agents. */
  #take(list: FileList | null | undefined): void {
    const files = [...(list ?? [])];
    if (files.length === 0) return;
    this.#onDrive({
      name: files.length === 1 ? files[0]!.name : `${files[0]!.name} and ${files.length - 1} more`,
      bytes: files.reduce((sum, { size }) => sum + size, 0),
      open: () => Promise.resolve(files.map((file) => file.stream())),
    });
  }
}

async function fetchDrive(name: string): Promise<ReadableStream<Uint8Array>[]> {
  const response = await fetch(`/drives/${encodeURIComponent(name)}`);
  if (!response.ok || !response.body) throw new Error(`the server answers ${response.status}`);
  return [response.body];
}
